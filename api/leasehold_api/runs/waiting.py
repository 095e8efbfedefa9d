"""What it means that a task waits without a slot: since when, until when, and what came of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

from leasehold_api.errors import InvalidRequestError
from leasehold_api.runs.questions import check_default, check_question
from leasehold_protocol.v1.runs import RunState
from leasehold_protocol.v1.waiting import Wait, WaitKind, WaitVerdict

MOST_WAITS = 100
"""Of one task instance: what came of each travels with every later lease. Rescheduling has no such bound."""

EVENTS_ARE_KEPT_S = 8 * 86400.0
"""Longer than any lease: a deferral that was held up all that time still finds what was sent meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What came of a wait."""

    verdict: WaitVerdict
    value: Any = None
    message: str | None = None
    by: str | None = None


def resumes_at(after_s: float | None, at: datetime | None, *, now: float) -> float:
    """Return when a rescheduled task is due: in the past means at once."""
    return at.timestamp() if at is not None else now + (after_s or 0.0)


def began_at(wait: Wait, *, leased_at: float, now: float) -> float:
    """Return since when a task waits, by the API's clock: what was sent after that counts.

    Counted from the lease, because the site's clock may be wrong and the deferral may have been on its way for days. It
    is a moment early rather than late.
    """
    return now if wait.since_start_s is None else min(now, leased_at + wait.since_start_s)


def until(wait: Wait, *, began: float) -> float | None:
    """Return when the wait is over at the latest; none: never."""
    if wait.kind is WaitKind.TIME:
        return resumes_at(wait.after_s, wait.at, now=began)
    return None if wait.timeout_s is None else began + wait.timeout_s


def problem_of(wait: Wait, *, own_run: str) -> str | None:
    """Return why nobody can wait like this; none if one can."""
    try:
        match wait.kind:
            case WaitKind.TIME:
                return None if wait.at or wait.after_s is not None else "a wait for a time names none"
            case WaitKind.RUN if not wait.run:
                return "a wait for a run names none"
            case WaitKind.RUN if wait.run == own_run:
                return "a task can't wait for its own run to end: it would wait for itself"
            case WaitKind.RUN:
                return None
            case WaitKind.EVENT:
                return None if wait.event else "a wait for an event names none"
            case WaitKind.QUESTION:
                if wait.question is None:
                    return "a wait for an answer asks nothing"
                check_question(wait.question)
                check_default(wait.question, wait.default)
                return None
            case _:
                assert_never(wait.kind)
    except InvalidRequestError as error:
        return f"the question can't be asked: {error.detail}"


def reason_of(wait: Wait, *, input_id: str) -> str:
    """Return what people read of a task that waits."""
    match wait.kind:
        case WaitKind.TIME:
            return "waits for a time"
        case WaitKind.RUN:
            how = f" as {' or '.join(wait.states)}" if wait.states else ""
            return f"waits for run {wait.run} to end{how}"
        case WaitKind.EVENT:
            return f"waits for the event {wait.event}"
        case WaitKind.QUESTION:
            return f"waits for an answer: leasehold inputs answer {input_id}"
        case _:
            assert_never(wait.kind)


def run_ended(run: str, state: RunState, wanted: list[str]) -> Settled:
    """Return what a run's end means for a task that waits for it."""
    if wanted and state.value not in wanted:
        message = f"run {run} ended as {state.value}, not as {' or '.join(wanted)}"
        return Settled(verdict=WaitVerdict.REFUSED, message=message)
    return Settled(verdict=WaitVerdict.CAME, value={"run": run, "state": state.value})


def no_such_run(run: str) -> Settled:
    """Return what comes of waiting for a run that the team does not have; another team's is none of them."""
    return Settled(verdict=WaitVerdict.REFUSED, message=f"there is no run {run!r} in this team")


def time_is_up(wait: Wait) -> Settled:
    """Return what comes of a wait whose time is over."""
    if wait.kind is WaitKind.TIME:
        return Settled(verdict=WaitVerdict.CAME)
    if wait.kind is WaitKind.QUESTION and wait.default is not None:
        return Settled(verdict=WaitVerdict.CAME, value=wait.default.model_dump(mode="json"))
    return Settled(verdict=WaitVerdict.TIMED_OUT)
