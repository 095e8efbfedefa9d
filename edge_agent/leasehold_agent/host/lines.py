"""From a stream of bytes to lines of the log's grammar (see ``leasehold_protocol.v1.telemetry``)."""

from __future__ import annotations

LONGEST_LINE = 16 * 1024
"""Bytes of text in one line of the log; a longer one is split, and ``+`` says that it goes on."""

FIELDS_SEPARATOR = b"\x1f"
_SHOWN_SEPARATOR = "␟".encode()


class Lines:
    """Frames one stream. Whole lines leave at once, an unfinished one is held until it ends or gets too long."""

    def __init__(self, source: str) -> None:
        self._source = source.encode()
        self._held = b""

    @property
    def holds(self) -> bool:
        """True while an unfinished line is held."""
        return bool(self._held)

    def feed(self, data: bytes, at: str) -> bytes:
        """Return the log lines that ``data`` completes, all stamped ``at``."""
        if self._held:
            data = self._held + data
        end = data.rfind(b"\n") + 1
        self._held = data[end:]
        framed = self._frame(data[: end - 1], at) if end else b""
        if len(self._held) > LONGEST_LINE:
            framed += self._split_held(at)
        return framed

    def flush(self, at: str, *, ended: bool) -> bytes:
        """Return the unfinished line; unless the stream has ``ended``, the next one is marked as going on with it."""
        if not self._held:
            return b""
        if ended:
            held, self._held = self._held, b""
            return self._frame(held, at)
        cut = _whole_characters(self._held, len(self._held))
        shown, self._held = self._held[:cut], self._held[cut:]
        return _line(at, self._source, b"+", shown) if shown else b""

    def _frame(self, text: bytes, at: str) -> bytes:
        """Frame complete lines; ``text`` lacks the last line feed."""
        lines = _clean(text).split(b"\n")
        prefix = at.encode() + b" " + self._source + b" "
        if len(max(lines, key=len)) <= LONGEST_LINE:
            return prefix + (b"\n" + prefix).join(lines) + b"\n"
        return b"".join(framed for line in lines for framed in _whole_line(at, self._source, line))

    def _split_held(self, at: str) -> bytes:
        """Let the long beginning of an unfinished line go, keeping less than a line's worth."""
        *long, self._held = _pieces(self._held)
        return b"".join(_line(at, self._source, b"+", piece) for piece in long)


def record(at: str, source: str, message: str, fields: bytes = b"") -> bytes:
    """Return the lines of one record. ``fields`` is a JSON object as text, shown with the message's first line."""
    first, *more = message.encode(errors="replace").split(b"\n")
    framed = _whole_line(at, source.encode(), first)
    if fields:
        framed[-1] = framed[-1][:-1] + FIELDS_SEPARATOR + fields + b"\n"
    for line in more:
        framed += _whole_line(at, source.encode(), line)
    return b"".join(framed)


def _whole_line(at: str, source: bytes, text: bytes) -> list[bytes]:
    *long, last = _pieces(text)
    return [*(_line(at, source, b"+", piece) for piece in long), _line(at, source, b"", last)]


def _line(at: str, source: bytes, mark: bytes, text: bytes) -> bytes:
    return b"%s %s%s %s\n" % (at.encode(), source, mark, _clean(text))


def _pieces(text: bytes) -> list[bytes]:
    """Cut a long line between characters."""
    pieces: list[bytes] = []
    start = 0
    while len(text) - start > LONGEST_LINE:
        cut = start + _whole_characters(text[start : start + LONGEST_LINE], LONGEST_LINE)
        pieces.append(text[start:cut])
        start = cut
    return [*pieces, text[start:]]


def _clean(text: bytes) -> bytes:
    """Return text as valid UTF-8 without the byte that separates fields."""
    if FIELDS_SEPARATOR in text:
        text = text.replace(FIELDS_SEPARATOR, _SHOWN_SEPARATOR)
    if text.isascii():
        return text
    try:
        text.decode()
    except UnicodeDecodeError:
        return text.decode(errors="replace").encode()
    return text


def _whole_characters(text: bytes, cut: int) -> int:
    """Return the last place at or before ``cut`` that does not tear a UTF-8 character apart."""
    for back in range(1, min(4, cut) + 1):
        lead = text[cut - back]
        if lead >= 0xC0:
            length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return cut if back >= length or cut == back else cut - back
        if lead < 0x80:
            return cut
    return cut
