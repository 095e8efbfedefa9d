"""A program's result, taken from its standard output."""

from __future__ import annotations

import json
from collections import deque

LONGEST_RESULT = 256 * 1024
"""Bytes of output that may become a result."""


class ResultError(ValueError):
    """The output is no result. The message says why, and what to do."""


class ResultCapture:
    """Follows standard output and keeps what may be the result: memory stays bounded whatever is printed."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._forgot = False

    def feed(self, data: bytes) -> None:
        """Take in the next piece of output, unmasked: a result may hold what a log must not."""
        if self._kind == "nothing":
            return
        self._kept.append(data)
        self._size += len(data)
        # One byte more than allowed is kept, to know that it was too long; and one line feed may follow.
        while self._size - len(self._kept[0]) > LONGEST_RESULT + 2:
            self._size -= len(self._kept.popleft())
            self._forgot = True

    def text(self) -> bytes | None:
        """Return the result as JSON text; None when the program has none.

        Raises:
            ResultError: if it is too long, or no JSON where JSON was asked for.
        """
        if self._kind == "nothing":
            return None
        output = b"".join(self._kept)
        if self._kind == "last_line":
            return _json_text(self._last_line(output))
        if self._forgot or len(output) > LONGEST_RESULT:
            raise _too_long("the output")
        if self._kind == "json":
            return _checked_json(output)
        return _json_text(output)

    def _last_line(self, output: bytes) -> bytes:
        _, found, line = output.rstrip(b"\r\n").rpartition(b"\n")
        if len(line) > LONGEST_RESULT or (self._forgot and not found):
            raise _too_long("the last line")
        return line


def _json_text(output: bytes) -> bytes:
    return json.dumps(output.decode(errors="replace"), ensure_ascii=False).encode()


def _checked_json(output: bytes) -> bytes:
    try:
        value: object = json.loads(output, parse_constant=_no_constant)
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError) as problem:
        begin = output[:60].decode(errors="replace")
        raise ResultError(
            f"the program's output is not JSON ({problem}); it begins with {begin!r}. Print the JSON to standard "
            "output and everything else to standard error"
        ) from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def _too_long(what: str) -> ResultError:
    return ResultError(
        f"{what} is longer than {LONGEST_RESULT // 1024} KiB and can't be the program's result: write it to a file, or "
        "send it with PUT /v1/result"
    )
