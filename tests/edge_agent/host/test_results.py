"""A program's result, from its standard output, in bounded memory."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.runtime.rules.program_results import LONGEST_RESULT, ResultCapture, ResultError


def captured(kind: str, *pieces: bytes) -> object:
    capture = ResultCapture(kind)
    for piece in pieces:
        capture.feed(piece)
    text = capture.text()
    return None if text is None else json.loads(text)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1), st.integers(1, 50))
def test_the_last_line_is_found_however_the_output_is_cut(lines: list[str], step: int) -> None:
    output = "\n".join(lines).encode() + b"\n"

    result = captured("last_line", *(output[start : start + step] for start in range(0, len(output), step)))

    assert result == output.decode().rstrip("\r\n").rpartition("\n")[2]


def test_the_last_line_of_much_output_is_the_result() -> None:
    assert captured("last_line", *[b"noise\n" * 10_000] * 100, b"42\n") == "42"


@pytest.mark.parametrize("kind", ["last_line", "text", "json"])
def test_a_result_that_is_too_long_is_refused_with_a_cure(kind: str) -> None:
    with pytest.raises(ResultError, match=r"256 KiB.*PUT /v1/result"):
        captured(kind, *[b"1" * 65536] * 5)


@pytest.mark.parametrize("output", [b"", b"{", b"NaN", b"\xff", b"[" * 100_000, b"1e999"])
def test_what_is_not_json_is_refused(output: bytes) -> None:
    with pytest.raises(ResultError, match="not JSON"):
        captured("json", output)


def test_a_result_of_exactly_the_limit_is_taken() -> None:
    assert captured("text", b"x" * LONGEST_RESULT) == "x" * LONGEST_RESULT
    assert captured("last_line", b"y\n", b"x" * LONGEST_RESULT, b"\n") == "x" * LONGEST_RESULT


def test_no_output_is_empty_text_or_nothing() -> None:
    assert captured("last_line") == ""
    assert captured("text", b"a\nb\n") == "a\nb\n"
    assert captured("nothing", b"a") is None
