"""The log's grammar: valid, complete and lossless, whatever is printed and however it arrives."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from leasehold_agent.host.lines import LONGEST_LINE, Lines, record
from leasehold_agent.host.logfile import LogFile

AT = "2026-11-22T06:00:00.000000Z"
GRAMMAR = re.compile(rb"2026-11-22T06:00:00\.000000Z stdout(\+?) ([^\n]*)\n")


def framed(pieces: list[bytes]) -> bytes:
    lines = Lines("stdout")
    return b"".join([*(lines.feed(piece, AT) for piece in pieces), lines.flush(AT, ended=True)])


def read_back(log: bytes) -> str:
    """Undo the framing; every byte of the log must be part of a line."""
    assert GRAMMAR.sub(b"", log) == b""
    return "".join(text.decode() + ("" if mark else "\n") for mark, text in GRAMMAR.findall(log))


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_any_bytes_become_valid_lines(pieces: list[bytes]) -> None:
    log = framed(pieces)

    expected = b"".join(pieces).replace(b"\x1f", "␟".encode())
    expected += b"" if expected.endswith(b"\n") or not expected else b"\n"
    assert read_back(log) == expected.decode(errors="replace")


@given(st.text(st.sampled_from("aé€😀\n"), max_size=200), st.integers(1, 3), st.integers(1, 5000))
def test_long_lines_are_split_between_characters_and_lose_nothing(text: str, times: int, step: int) -> None:
    data = (text * 40 + "😀" * (LONGEST_LINE // 3)).encode() * times

    log = framed([data[start : start + step * 10] for start in range(0, len(data), step * 10)])

    assert max(len(text) for _, text in GRAMMAR.findall(log)) <= LONGEST_LINE
    assert read_back(log).removesuffix("\n") == data.decode().removesuffix("\n")


def test_an_unfinished_line_is_shown_and_goes_on() -> None:
    lines = Lines("stdout")

    held = lines.feed("10 %é".encode()[:-1], AT)
    shown = lines.flush(AT, ended=False)
    rest = lines.feed("é".encode()[1:] + b" done\n", AT)

    assert (held, lines.holds) == (b"", False)
    assert (shown, rest) == (f"{AT} stdout+ 10 %\n".encode(), f"{AT} stdout é done\n".encode())


def test_a_record_cannot_forge_another_line_or_other_fields() -> None:
    line = record(AT, "info", f"one\n{AT} error two\x1f{{}}", b'{"n": 1}')

    assert line == f'{AT} info one\x1f{{"n": 1}}\n{AT} info {AT} error two␟{{}}\n'.encode()


def test_the_log_counts_what_came_after_its_limit(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "output.log", limit=20)

    for _ in range(5):
        log.append(b"0123456\n")
    log.finish()

    lines = (tmp_path / "output.log").read_bytes().split(b"\n")
    assert lines[:2] == [b"0123456", b"0123456"]
    assert lines[2].endswith(b"agent the log has reached its limit of 20 bytes: the rest is counted, not kept")
    assert lines[3].endswith(b"agent 24 bytes of output came after the log's limit and were not kept")
