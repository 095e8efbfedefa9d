"""The checker sees what it is there to see: a good history passes, and each rule is broken once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.system.lab.checker import check
from tests.system.lab.history import Attempt, History, Instance, Record, read_record
from tests.system.lab.plan import plan
from tests.system.lab.tasks import LEASE_S, LINES, POINTS

LOST = Attempt(attempt="ti_1.1", ending="lost", message="power", log=["line 0", "line 1"], metrics=0)
DONE = Attempt(
    attempt="ti_1.2", ending="success", message=None, log=[f"line {number}" for number in range(LINES)], metrics=0
)
CHATTY = Instance(
    instance="ti_1",
    task="chatty",
    state="success",
    reason=None,
    result={"attempt": "ti_1.2"},
    attempts=[LOST, DONE],
)
COUNTED = Attempt(attempt="ti_2.1", ending="success", message=None, log=[], metrics=POINTS)
MEASURED = Instance(
    instance="ti_2", task="measured", state="success", reason=None, result={"attempt": "ti_2.1"}, attempts=[COUNTED]
)
RECORDS = {
    "ti_1.1": Record(began=10, last_seen=11, has_ended=False),
    "ti_1.2": Record(began=12, last_seen=14, has_ended=True),
    "ti_2.1": Record(began=10, last_seen=12, has_ended=True),
}
GOOD = History(instances=[CHATTY, MEASURED], records=RECORDS)


def with_chatty(*attempts: Attempt, **changes: object) -> History:
    chatty = replace(CHATTY, attempts=list(attempts) or CHATTY.attempts, **changes)  # type: ignore[arg-type]
    return replace(GOOD, instances=[chatty, MEASURED])


BROKEN = {
    "never ended": with_chatty(state="running"),
    "has no ending": with_chatty(replace(LOST, ending=None), DONE),
    "failed of the faults": with_chatty(replace(LOST, ending="failed", message="no API"), DONE),
    "its newest attempt ti_1.2 did not": with_chatty(LOST, replace(DONE, ending="lost")),
    "has the result of ti_1.1": with_chatty(result={"attempt": "ti_1.1"}),
    "never came to its end": replace(
        GOOD, records=RECORDS | {"ti_1.2": Record(began=12, last_seen=14, has_ended=False)}
    ),
    "unknown to the API": replace(GOOD, records=RECORDS | {"ti_9.1": Record(began=1, last_seen=2, has_ended=True)}),
    "did again what": with_chatty(replace(DONE, attempt="ti_1.1"), DONE),
    "before ti_1.1 was over": replace(
        GOOD, records=RECORDS | {"ti_1.1": Record(began=10, last_seen=13, has_ended=False)}
    ),
    "gaps, repetitions or another order": with_chatty(replace(LOST, log=["line 0", "line 0"]), DONE),
    f"has {LINES - 1} lines of {LINES}": with_chatty(LOST, replace(DONE, log=DONE.log[:-1])),
    f"points of {POINTS}": replace(
        GOOD, instances=[CHATTY, replace(MEASURED, attempts=[replace(COUNTED, metrics=POINTS + 1)])]
    ),
    "still lives": replace(GOOD, living=[4711]),
    "is still there": replace(GOOD, directories=["north-1/attempts/ti_1.1"]),
}


def test_a_good_history_passes() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize("words", BROKEN)
def test_a_broken_promise_is_named(words: str) -> None:
    violations = check(BROKEN[words])

    assert any(words in violation for violation in violations), violations


def test_what_was_silent_for_a_whole_lease_may_run_again() -> None:
    silent = {"ti_1.1": Record(began=12 - LEASE_S, last_seen=11, has_ended=True)}

    assert check(replace(with_chatty(replace(DONE, attempt="ti_1.1"), DONE), records=RECORDS | silent)) == []


def test_a_record_is_read_as_the_task_wrote_it() -> None:
    text = "begin 10.5 \nchild 10.6 4711 \ntick 11.25 \nend 12.0 \n"

    assert read_record(text) == Record(began=10.5, last_seen=12.0, has_ended=True, children=[4711])
    assert read_record("") is None


def test_a_seed_always_gives_the_same_plan() -> None:
    assert plan(7) == plan(7)
    assert plan(7) != plan(8)
