"""What an attempt's ending means for its task instance: retry, or a final state. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from leasehold_api.runs.retry_delays import RetryDelays
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.runs import TaskState

INFRASTRUCTURE_RETRIES = 3
"""Losing an agent is not the author's failure: these are apart from the task's own ``retries``."""

START_DELAY_S = 5.0
"""Delay before another start after a site could not start the attempt; doubles with every loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What was spent on a task instance so far, and what its author allows."""

    tries: int
    losses: int
    retries: int
    delays: RetryDelays
    forgiven: int = 0
    """Tries that a person's retry counts no more."""
    instance: str = ""
    """The task instance: its delays differ from those of others by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of the task instance."""

    state: TaskState
    tries: int
    losses: int
    reason: str | None = None
    due_at: float | None = None
    resumed: str | None = None
    """What the next attempt goes on from: ``reschedule``, ``defer`` or ``input``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """When and why a task that waits without a slot is started again."""

    due_at: float | None
    """None: when what it waits for happens, and not by time."""
    resumed: str
    reason: str | None = None


def judge(
    kind: EndingKind,
    *,
    message: str | None,
    retry_after_s: float | None,
    effort: Effort,
    cancel_reason: str | None,
    now: float,
    again: Again | None = None,
) -> Verdict:
    """Return what becomes of a task instance whose attempt ended as ``kind``; ``again`` is for those that wait.

    A success stands even when somebody had asked to cancel: it is what happened.
    """
    tries, losses = effort.tries, effort.losses
    match kind:
        case EndingKind.SUCCESS:
            return Verdict(state=TaskState.SUCCESS, tries=tries + 1, losses=losses)
        case EndingKind.SKIPPED:
            return Verdict(state=TaskState.SKIPPED, tries=tries + 1, losses=losses, reason=message)
        case _ if cancel_reason is not None:
            return Verdict(state=TaskState.CANCELLED, tries=tries, losses=losses, reason=cancel_reason)
        case EndingKind.CANCELLED:
            # Stopped at the site by its operator: nobody cancelled the run, so the work goes elsewhere.
            return _lost(message or "stopped at its site", effort, now)
        case EndingKind.REFUSED:
            # Its site's right, and nobody's failure: it waits for another site, or another policy.
            return Verdict(state=TaskState.QUEUED, tries=tries, losses=losses, reason=message or "refused by its site")
        case EndingKind.RESCHEDULED | EndingKind.DEFERRED:
            return _waiting(kind, again, message, effort)
        case EndingKind.FAILED_FOR_GOOD:
            return Verdict(state=TaskState.FAILED, tries=tries + 1, losses=losses, reason=message)
        case EndingKind.FAILED | EndingKind.RETRY | EndingKind.TIMED_OUT:
            return _failed(message or kind.value.replace("_", " "), retry_after_s, effort, now)
        case EndingKind.LOST | EndingKind.LEASE_EXPIRED | EndingKind.COULD_NOT_START:
            delay = START_DELAY_S * 2**losses if kind is EndingKind.COULD_NOT_START else 0.0
            return _lost(message or kind.value.replace("_", " "), effort, now, delay_s=delay)
        case _:
            assert_never(kind)


def taken_back(because: str, *, tries: int, losses: int, cancel_reason: str | None) -> Verdict:
    """Return what becomes of a task instance that an admin took from its agent: no failure of anybody's is counted."""
    if cancel_reason is not None:
        return Verdict(state=TaskState.CANCELLED, tries=tries, losses=losses, reason=cancel_reason)
    return Verdict(state=TaskState.QUEUED, tries=tries, losses=losses, reason=because)


def _waiting(kind: EndingKind, again: Again | None, message: str | None, effort: Effort) -> Verdict:
    if again is None:
        # It can't wait like this, and would say the same at every try.
        return Verdict(state=TaskState.FAILED, tries=effort.tries + 1, losses=effort.losses, reason=message)
    return Verdict(
        state=TaskState.DEFERRED if kind is EndingKind.DEFERRED else TaskState.UP_FOR_RESCHEDULE,
        tries=effort.tries,
        # It came through: what was lost on the way to here is no sign of trouble in the months to come.
        losses=0,
        reason=again.reason or message,
        due_at=again.due_at,
        resumed=again.resumed,
    )


def _failed(reason: str, retry_after_s: float | None, effort: Effort, now: float) -> Verdict:
    tries = effort.tries + 1
    if tries > effort.retries:
        return Verdict(state=TaskState.FAILED, tries=tries, losses=effort.losses, reason=reason)
    delay = retry_after_s
    if delay is None:
        delay = effort.delays.after(tries - effort.forgiven, instance=effort.instance)
    return Verdict(state=TaskState.UP_FOR_RETRY, tries=tries, losses=effort.losses, reason=reason, due_at=now + delay)


def _lost(reason: str, effort: Effort, now: float, *, delay_s: float = 0.0) -> Verdict:
    losses = effort.losses + 1
    if losses > INFRASTRUCTURE_RETRIES:
        reason = f"given up after {losses} infrastructure failures, the last: {reason}"
        return Verdict(state=TaskState.FAILED, tries=effort.tries, losses=losses, reason=reason)
    if delay_s > 0:
        return Verdict(
            state=TaskState.UP_FOR_RETRY, tries=effort.tries, losses=losses, reason=reason, due_at=now + delay_s
        )
    return Verdict(state=TaskState.QUEUED, tries=effort.tries, losses=losses, reason=reason)
