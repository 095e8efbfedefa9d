"""`leasehold logs` across the tasks of a run: one order, filters, and reading on where the history ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import respx

from leasehold.cli import following, patience
from leasehold.cli.errors import WrongInputError
from leasehold.cli.log_filter import Level, LogFilter, pattern_of, time_of
from leasehold.cli.log_lines import parse_line
from leasehold_protocol.v1.runs import RunState, TaskInstance, TaskState
from tests.cli.answers import NOON, a_run, a_task, log_part, said
from tests.cli.conftest import Leasehold

RUN = "/v1/teams/default/runs/run-1"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again happens at once."""
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(following, "NO_NEWS_PAUSE_S", 0.01)
    monkeypatch.setattr(following, "LAST_LINES_S", 0.2)


def at(second: int, text: str, source: str = "info") -> str:
    return f"2026-11-22T12:00:{second:02d}.000000Z {source} {text}\n"


def log_of(api: respx.Router, attempt: str, *lines: str, complete: bool = True) -> respx.Route:
    """A log that is answered as it stands, from whatever offset."""
    whole = "".join(lines)

    def answer(request: httpx.Request) -> httpx.Response:
        offset = int(request.url.params["offset"])
        return log_part(whole[offset:], offset=offset, complete=complete)

    return api.get(f"/v1/teams/default/attempts/{attempt}/log").mock(side_effect=answer)


def a_finished_run(api: respx.Router, *tasks: TaskInstance) -> None:
    api.get(RUN).mock(return_value=said(a_run(RunState.SUCCESS, *tasks)))


def texts(out: str) -> list[str]:
    return [json.loads(line)["text"] for line in out.splitlines()]


def test_lines_of_all_tasks_come_in_the_order_of_time(author: Leasehold, api: respx.Router) -> None:
    a_finished_run(api, a_task("read", TaskState.SUCCESS, attempts=1), a_task("store", TaskState.SUCCESS, attempts=1))
    log_of(api, "ti-read.1", at(1, "one"), "  without a time\n", at(4, "four"))
    log_of(api, "ti-store.1", at(2, "two"), at(3, "three"))

    ended = author("logs", "run-1", "--json")

    assert texts(ended.out) == ["one", "  without a time", "two", "three", "four"]


def test_a_clock_that_went_back_does_not_turn_a_log_around(author: Leasehold, api: respx.Router) -> None:
    a_finished_run(api, a_task("read", TaskState.SUCCESS, attempts=1), a_task("store", TaskState.SUCCESS, attempts=1))
    log_of(api, "ti-read.1", at(5, "first"), at(1, "second"))
    log_of(api, "ti-store.1", at(3, "other"))

    ended = author("logs", "run-1", "--json")

    assert texts(ended.out) == ["other", "first", "second"]


def test_what_is_asked_for_is_shown_and_no_other_log_is_read(author: Leasehold, api: respx.Router) -> None:
    load = a_task("load", TaskState.SUCCESS, attempts=2).model_copy(update={"map_index": 1})
    a_finished_run(api, a_task("read", TaskState.SUCCESS, attempts=1), load)
    log_of(
        api,
        "ti-load.2",
        at(1, "old error", "error"),
        at(8, "rows read", "info"),
        at(9, "rows lost", "error"),
        at(9, "disk full", "stderr"),
    )

    ended = author(
        "logs", "run-1", "-t", "load", "--map-index", "1", "--try", "2", "--level", "warning", "--grep", "^(rows|disk)",
        "--since", "2026-11-22T12:00:05+00:00", "--json",
    )  # fmt: skip

    assert texts(ended.out) == ["rows lost", "disk full"]


@pytest.mark.parametrize("option", [["--grep", "("], ["--since", "yesterday"], ["--level", "loud"], ["--try", "0"]])
def test_a_filter_that_can_not_be_read_is_a_mistake_of_typing(author: Leasehold, option: list[str]) -> None:
    assert author("logs", "run-1", *option).code == 2


def test_following_begins_with_the_history_in_order_and_reads_on_from_there(
    author: Leasehold, api: respx.Router
) -> None:
    tasks = [a_task("read", TaskState.RUNNING, attempts=1), a_task("store", TaskState.RUNNING, attempts=1)]
    running, done = a_run(RunState.RUNNING, *tasks), a_run(RunState.SUCCESS, *tasks)
    api.get(RUN).mock(side_effect=[said(running), said(running, ETag='"1"'), said(done)])
    first, broken = at(2, "two"), "2026-11-22T12:00:05.000000Z info fi"
    read = api.get("/v1/teams/default/attempts/ti-read.1/log").mock(
        side_effect=[
            log_part(first + broken, offset=0, complete=False),
            log_part("", offset=len(first + broken), complete=False),
            log_part("ve\n", offset=len(first + broken), complete=True),
        ]
    )
    log_of(api, "ti-store.1", at(1, "one"))

    ended = author("logs", "run-1", "-f", "--json")

    assert texts(ended.out) == ["one", "two", "five"]
    assert [call.request.url.params["offset"] for call in read.calls] == ["0", *[str(len(first + broken))] * 2]


def test_a_level_lets_through_what_is_as_bad_or_worse() -> None:
    sources = ["debug", "info", "stdout", "stderr", "agent", "warning", "error", "critical"]
    lines = [parse_line(at(1, "x", source).rstrip().encode()) for source in sources]

    shown = [line.source for line in lines if LogFilter(level=Level.WARNING).shows(line)]

    assert shown == ["stderr", "agent", "warning", "error", "critical"]


def test_a_pattern_is_looked_for_in_fields_too() -> None:
    line = parse_line(b'2026-11-22T12:00:00.000000Z info done\x1f{"rows": 24}')

    assert LogFilter(pattern=pattern_of("rows=24")).shows(line)
    assert not LogFilter(pattern=pattern_of("rows=25")).shows(line)


def test_a_time_is_how_long_ago_or_when() -> None:
    assert time_of("1h30m", now=NOON) == NOON - timedelta(hours=1, minutes=30)
    assert time_of("2026-11-02T14:30:00Z", now=NOON) == datetime(2026, 11, 2, 14, 30, tzinfo=UTC)
    assert time_of("2026-11-02", now=NOON) == datetime(2026, 11, 2).astimezone()
    with pytest.raises(WrongInputError):
        time_of("soon", now=NOON)
