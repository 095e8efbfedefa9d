"""The lines of a log: read from parts cut anywhere, shown without harm."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from leasehold.cli.following import Origin
from leasehold.cli.log_lines import LineReader, harmless, parse_line
from leasehold.cli.log_text import as_json, coloured, plain

AT = "2026-11-22T12:00:00.123456Z"
ORIGIN = Origin(task="read", map_index=-1, attempt="ti-read.2", try_number=2, site="plant")


def test_a_record_has_its_time_its_level_its_text_and_its_fields() -> None:
    line = parse_line(f'{AT} warning outside its limits\x1f{{"sensor": "boiler", "readings": 4}}'.encode())

    assert line.at is not None
    assert line.at.isoformat() == "2026-11-22T12:00:00.123456+00:00"
    assert (line.source, line.text) == ("warning", "outside its limits")
    assert line.fields == {"sensor": "boiler", "readings": 4}


def test_an_empty_line_stays_a_line() -> None:
    assert parse_line(f"{AT} stdout ".encode()).text == ""


def test_a_line_of_another_grammar_is_shown_as_it_is() -> None:
    line = parse_line(b"no time here")

    assert (line.at, line.text) == (None, "no time here")


def test_bytes_that_are_no_text_are_shown_as_marks() -> None:
    assert parse_line(f"{AT} stdout ".encode() + b"\xff\xfe!").text == "��!"


def test_a_separator_that_begins_no_object_is_part_of_the_text() -> None:
    assert parse_line(f"{AT} stdout a\x1fb".encode()).text == "a\x1fb"


def test_the_parts_of_one_printed_line_are_joined_and_other_sources_do_not_get_in_between() -> None:
    reader = LineReader()

    lines = reader.feed(f"{AT} stdout+ one \n{AT} stderr two\n{AT} stdout line\n".encode())

    assert [(line.source, line.text) for line in lines] == [("stderr", "two"), ("stdout", "one line")]


def test_an_endless_line_is_shown_in_pieces_instead_of_filling_the_memory() -> None:
    reader = LineReader()
    piece = f"{AT} stdout+ {'x' * 40_000}\n".encode()

    shown = reader.feed(piece * 4)

    assert [len(line.text) for line in shown] == [80_000, 80_000]


def test_what_was_begun_is_shown_when_the_log_ends() -> None:
    reader = LineReader()
    assert reader.feed(f"{AT} stdout+ begun\n{AT} info cut o".encode()) == []

    assert [line.text for line in reader.finish()] == ["begun", "cut o"]


@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\n\x1f", exclude_categories=["Cs"])), max_size=8),
    cuts=st.lists(st.integers(1, 40), max_size=40),
)
def test_where_a_log_is_cut_makes_no_difference(texts: list[str], cuts: list[int]) -> None:
    log = "".join(f"{AT} stdout {text}\n" for text in texts).encode()
    reader = LineReader()

    lines, start = [], 0
    for size in cuts:
        lines += reader.feed(log[start : start + size])
        start += size
    lines += reader.feed(log[start:]) + reader.finish()

    assert [line.text for line in lines] == texts


def test_a_line_cannot_move_the_cursor_or_set_a_title() -> None:
    assert harmless("\x1b[2J\x1b]0;owned\x07red \x1b[31malert\x1b[0m\r\x08") == "red alert��"


@given(st.text())
def test_nothing_that_a_task_prints_reaches_the_terminal_as_a_control_character(text: str) -> None:
    shown = harmless(text)

    assert not [char for char in shown if (ord(char) < 32 and char != "\t") or 127 <= ord(char) < 160]


def test_in_a_pipe_a_line_is_time_task_try_text_and_fields() -> None:
    line = parse_line(f'{AT} error broke\x1f{{"code": 3, "why": "no space"}}'.encode())

    shown = plain(ORIGIN, line)

    assert shown.endswith('.123 read (try 2) | error: broke code=3 why="no space"')


def test_on_a_terminal_the_text_is_the_same() -> None:
    line = parse_line(f"{AT} info [bold]not markup[/bold]".encode())

    assert coloured(ORIGIN, line, width=4).plain.endswith("read (try 2) │ [bold]not markup[/bold]")


def test_as_json_a_line_says_where_it_comes_from() -> None:
    line = parse_line(f"{AT} stdout hello".encode())

    shown = json.loads(as_json(ORIGIN, line))

    assert shown == {
        "task": "read",
        "map_index": -1,
        "attempt": "ti-read.2",
        "try_number": 2,
        "site": "plant",
        "at": "2026-11-22T12:00:00.123456+00:00",
        "source": "stdout",
        "text": "hello",
        "fields": {},
    }
