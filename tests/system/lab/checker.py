"""Proves of a history that nothing was lost and nothing done twice. Pure: each rule returns what broke it, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.system.lab.history import Attempt, History, Instance
from tests.system.lab.tasks import LEASE_S, LINES, POINTS

FINAL = {"success", "failed", "skipped", "upstream_failed", "cancelled"}
INFRASTRUCTURE = {"lost", "lease_expired", "could_not_start", "cancelled"}
EXPECTED_METRICS = {"short": 1.0, "measured": float(POINTS)}
EXPECTED_LINES = {"chatty": LINES}

Rule = Callable[[History], Iterator[str]]


def check(history: History) -> list[str]:
    """Return every violation of every rule; none means that the promise was kept."""
    return [violation for rule in RULES for violation in rule(history)]


def all_is_final(history: History) -> Iterator[str]:
    """Every task instance reached one final state, and fails for its author's reasons only."""
    for one in history.instances:
        if one.state not in FINAL:
            yield f"{_name(one)} never ended: {one.state}, {one.reason}"
        for attempt in one.attempts:
            if attempt.ending is None:
                yield f"{attempt.attempt} has no ending"
            elif attempt.ending == "failed" and not _may_fail(one, attempt):
                yield f"{attempt.attempt} ({one.task}) failed of the faults: {attempt.message}"


def effects_have_one_epoch(history: History) -> Iterator[str]:
    """A success has one successful attempt, the newest one, and the result is that attempt's."""
    for one in history.instances:
        successes = [attempt.attempt for attempt in one.attempts if attempt.ending == "success"]
        if one.state != "success":
            continue
        newest = max((attempt.attempt for attempt in one.attempts), key=_epoch, default=None)
        if newest not in successes:
            yield f"{_name(one)} succeeded, but its newest attempt {newest} did not"
        written_by = (one.result or {}).get("attempt")
        if written_by != newest:
            yield f"{_name(one)} has the result of {written_by}, not of {newest}"
        if newest and (newest not in history.records or not history.records[newest].has_ended):
            yield f"{newest} counts as a success, and its code never came to its end"


def work_is_done_once(history: History) -> Iterator[str]:
    """What came to a good end runs again only after a whole lease without word of it; all that ran was leased.

    That is what ``max_offline`` allows: the API can't know then, and the late outcome of the first is without effect.
    """
    leased = {attempt.attempt for one in history.instances for attempt in one.attempts}
    for attempt in sorted(history.records.keys() - leased):
        yield f"{attempt} ran and is unknown to the API"
    for one in history.instances:
        done = [a.attempt for a in one.attempts if a.ending == "success" and a.attempt in history.records]
        for first, second in pairwise(sorted(done, key=_epoch)):
            apart = history.records[second].began - history.records[first].began
            if apart < LEASE_S - 1:
                yield f"{second} did again what {first} had done, {apart:.1f} s after that began"


def attempts_do_not_overlap(history: History) -> Iterator[str]:
    """No two attempts of one instance ran user code at the same time."""
    for one in history.instances:
        spans = [(history.records[a.attempt], a.attempt) for a in one.attempts if a.attempt in history.records]
        spans.sort(key=lambda span: span[0].began)
        for (earlier, first), (later, second) in pairwise(spans):
            if later.began < earlier.last_seen:
                yield f"{second} began {earlier.last_seen - later.began:.2f} s before {first} was over"


def logs_are_whole(history: History) -> Iterator[str]:
    """Every line exactly once and in order; of an attempt that was cut short, the first of them without a gap."""
    for one in history.instances:
        for attempt in one.attempts:
            lines = [line for line in attempt.log if line.startswith("line ")]
            if lines != [f"line {number}" for number in range(len(lines))]:
                yield f"the log of {attempt.attempt} has gaps, repetitions or another order"
            wanted = EXPECTED_LINES.get(one.task, 0)
            if attempt.ending == "success" and len(lines) != wanted:
                yield f"the log of {attempt.attempt} has {len(lines)} lines of {wanted}"


def metrics_came_once(history: History) -> Iterator[str]:
    """Each point of a success once; never more than were sent."""
    for one in history.instances:
        wanted = EXPECTED_METRICS.get(one.task, 0.0)
        for attempt in one.attempts:
            if attempt.metrics > wanted or (attempt.ending == "success" and attempt.metrics != wanted):
                yield f"{attempt.attempt} ({one.task}) has {attempt.metrics:g} points of {wanted:g}"


def nothing_is_left(history: History) -> Iterator[str]:
    """No process of a task, no attempt directory."""
    for pid in history.living:
        yield f"process {pid} of a task still lives"
    for directory in history.directories:
        yield f"{directory} is still there"


RULES: list[Rule] = [
    all_is_final,
    effects_have_one_epoch,
    work_is_done_once,
    attempts_do_not_overlap,
    logs_are_whole,
    metrics_came_once,
    nothing_is_left,
]


def _may_fail(one: Instance, attempt: Attempt) -> bool:
    message = attempt.message or ""
    return "signal 9" in message or (one.task == "flaky" and "not yet" in message)


def _epoch(attempt: str) -> int:
    return int(attempt.rpartition(".")[2])


def _name(one: Instance) -> str:
    return f"{one.task} ({one.instance})"
