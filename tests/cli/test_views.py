"""What a person sees while a run goes on: the live table, and waiting for an API that is away."""

from __future__ import annotations

import io
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import PurePosixPath

import pytest
from rich.console import Console

from leasehold.cli.errors import NotFoundError, UnreachableError
from leasehold.cli.following import Origin
from leasehold.cli.log_lines import parse_line
from leasehold.cli.patience import LONGEST_PAUSE_S, Patience, pause_s
from leasehold.cli.run_tables import liveliest
from leasehold.cli.run_views import LiveView
from leasehold.cli.screen import show_value
from leasehold.runtime.values import encode
from leasehold_protocol.v1.runs import RunState, TaskState
from tests.cli.answers import NOON, a_run, a_task

ORIGIN = Origin(task="read", map_index=-1, attempt="ti-read.1", try_number=1, site="plant")
LATER = NOON + timedelta(seconds=3)


def a_terminal(height: int = 40) -> tuple[Console, io.StringIO]:
    drawn = io.StringIO()
    return Console(file=drawn, force_terminal=True, width=100, height=height, highlight=False), drawn


def without_escapes(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (date(2026, 11, 22), "2026-11-22"),
        ({"day": date(2026, 11, 22), "sum": Decimal("1.50")}, '{"day": "2026-11-22", "sum": "1.50"}'),
        ((1, (PurePosixPath("a/b"),)), '[1, ["a/b"]]'),
        ({"$type": "mine"}, '{"$type": "mine"}'),
        (timedelta(minutes=1.5), "90 s"),
    ],
)
def test_values_that_travel_with_a_tag_are_shown_as_people_write_them(value: object, shown: str) -> None:
    assert show_value(encode(value)) == shown


def test_a_file_is_shown_by_name_and_size_and_an_unknown_tag_as_it_came() -> None:
    content = {"sha256": "ab" * 32, "size": 3_000_000, "name": "rows.parquet", "media_type": None}

    assert show_value({"rows": {"$type": "file", "value": content}}) == '{"rows": "rows.parquet (2.9 MiB)"}'
    assert show_value({"$type": "galaxy", "value": "far"}) == '{"$type": "galaxy", "value": "far"}'


def test_on_a_terminal_the_table_the_bar_and_the_lines_are_shown_together() -> None:
    console, drawn = a_terminal()
    run = a_run(
        RunState.RUNNING,
        a_task("read", TaskState.RUNNING, attempts=1),
        a_task("sum", TaskState.NONE, reason="waits for read"),
        a_task("list", TaskState.SUCCESS, attempts=1, result=[1, 2]),
    )

    with LiveView(console, now=lambda: LATER) as view:
        view.run_changed(run)
        view.log_line(ORIGIN, parse_line(b'2026-11-22T12:00:01.000000Z warning low\x1f{"level": 3}'))
        view.notice("The API answers again.")

    shown = without_escapes(drawn.getvalue())
    assert re.search(r"read +plant +1 +running +3\.0 s", shown)
    assert re.search(r"sum +none +waits for read", shown)
    assert re.search(r"list +plant +1 +success +2\.0 s +\[1, 2\]", shown)
    assert "1 of 3 tasks" in shown
    assert re.search(r"read │ warning: low level=3", shown)
    assert "The API answers again." in shown


def test_a_wide_run_shows_what_is_going_on_and_counts_the_rest() -> None:
    console, drawn = a_terminal(height=16)
    tasks = [a_task(f"done{number}", TaskState.SUCCESS, attempts=1) for number in range(30)]
    run = a_run(RunState.RUNNING, *tasks, a_task("busy", TaskState.RUNNING, attempts=1))

    with LiveView(console, now=lambda: LATER) as view:
        view.run_changed(run)

    shown = without_escapes(drawn.getvalue())
    assert "busy" in shown
    assert "… and 25 more tasks" in shown


def test_the_liveliest_tasks_stay_in_their_own_order() -> None:
    tasks = [
        a_task("a", TaskState.SUCCESS),
        a_task("b", TaskState.RUNNING),
        a_task("c", TaskState.NONE),
        a_task("d", TaskState.FAILED),
    ]

    assert [task.task for task in liveliest(tasks, room=2)] == ["b", "d"]
    assert [task.task for task in liveliest(tasks, room=3)] == ["a", "b", "d"]


async def nothing(_seconds: float) -> None:
    """A pause that takes no time."""


async def test_an_api_that_is_away_is_waited_for_and_both_ends_of_the_wait_are_told_once() -> None:
    told: list[str] = []
    failures = [UnreachableError("gone"), UnreachableError("gone")]

    async def request() -> str:
        if failures:
            raise failures.pop()
        return "here"

    assert await Patience(notice=told.append, sleep=nothing).insist(request) == "here"
    assert len(told) == 2
    assert told[1] == "The API answers again."


async def test_patience_ends_where_it_is_told_to_end() -> None:
    asked: list[int] = []

    async def request() -> None:
        asked.append(1)
        raise UnreachableError("gone")

    with pytest.raises(UnreachableError):
        await Patience(notice=lambda _: None, most_failures=2, sleep=nothing).insist(request)
    assert len(asked) == 3


async def test_what_will_not_change_is_not_asked_again() -> None:
    async def request() -> None:
        raise NotFoundError("there is no such run")

    with pytest.raises(NotFoundError):
        await Patience(notice=lambda _: None, sleep=nothing).insist(request)


def test_pauses_grow_up_to_a_few_seconds_and_never_beyond() -> None:
    longest = [pause_s(failures, draw=lambda _low, high: high) for failures in range(2000)]

    assert longest[:3] == [0.5, 1.0, 2.0]
    assert max(longest) == LONGEST_PAUSE_S
