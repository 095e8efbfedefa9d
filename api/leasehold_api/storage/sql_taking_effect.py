"""What an ending that counts does: to its task instance, to what comes after, and to whatever waits for room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text

from leasehold_api.runs.endings import Again, Effort, Verdict, judge
from leasehold_api.runs.retry_delays import RetryDelays
from leasehold_api.runs.waiting import began_at, reason_of, resumes_at, until
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_admission, sql_ceilings, sql_waits
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_assets import record_events
from leasehold_api.storage.sql_flow import queue, settle, skip_downstream
from leasehold_api.storage.sql_hooks import tell_of_retry
from leasehold_api.storage.sql_policies import remember
from leasehold_api.storage.sql_together import Together
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import Ending, EndingKind, Outcome, attempt_id
from leasehold_protocol.v1.runs import TaskState
from leasehold_protocol.v1.waiting import WaitKind

_MOVE_ON = text("""
    UPDATE task_instances
       SET state = :state, reason = :reason, tries = :tries, losses = :losses, due_at = :due_at, ended_at = :ended_at,
           resumed = :resumed, rescheduled = rescheduled + :rescheduled, expires_at = NULL, agent_id = NULL,
           blocked_on = NULL
     WHERE id = :id AND epoch = :epoch AND state = :seen
""")


def take_effect(
    tx: Transaction, plans: Plans, standing: Row[Any], outcome: Outcome, *, now: float, together: Together | None
) -> None:
    ending = outcome.ending
    if ending.kind is EndingKind.REFUSED and ending.refusal is not None:
        remember(tx, standing, ending.refusal, ending.message or "it gave no reason", now=now)
    again, problem = _again(tx, standing, ending, now=now)
    message = problem or ending.message
    verdict = judged(plans, tx, standing, ending.kind, message, ending.retry_after_s, now=now, again=again)
    move_on(tx, plans, standing, verdict, now=now, skip=ending.skip, together=together)
    if verdict.state is TaskState.SUCCESS:
        _record_asset_events(tx, plans, standing, ending, try_number=verdict.tries, now=now)
    elif verdict.state is TaskState.DEFERRED and ending.wait is not None:
        sql_waits.begin(tx, standing, ending.wait, now=now)
    elif verdict.state is TaskState.UP_FOR_RESCHEDULE:
        sql_waits.prune_attempts(tx, standing.id, standing.epoch)


def _record_asset_events(
    tx: Transaction, plans: Plans, standing: Row[Any], ending: Ending, *, try_number: int, now: float
) -> None:
    plan = plans.get(tx.connection, standing.dag_version_id)
    source = {"team_id": standing.team_id, "dag": plan.dag, "run_id": standing.run_id, "task": standing.task}
    record_events(
        tx,
        plan.entries[standing.task],
        ending.asset_events,
        {**source, "map_index": standing.map_index, "try_number": try_number},
        attempt=attempt_id(standing.id, standing.attempt_epoch),
        now=now,
    )


def _again(tx: Transaction, standing: Row[Any], ending: Ending, *, now: float) -> tuple[Again | None, str | None]:
    """Return how a task that waits goes on, or why it can't wait so."""
    if ending.kind is EndingKind.RESCHEDULED:
        at = resumes_at(ending.again_after_s, ending.again_at, now=now)
        return Again(due_at=at, resumed="reschedule"), None
    if ending.kind is not EndingKind.DEFERRED:
        return None, None
    wait = ending.wait
    if wait is None:
        return None, "the task said that it waits, and not for what"
    if (problem := sql_waits.why_not(tx, standing, wait)) is not None:
        return None, problem
    due_at = until(wait, began=began_at(wait, leased_at=standing.leased_at, now=now))
    reason = reason_of(wait, input_id=sql_waits.wait_id(standing.id, standing.attempt_epoch))
    resumed = "input" if wait.kind is WaitKind.QUESTION else "defer"
    return Again(due_at=due_at, resumed=resumed, reason=reason), None


def judged(
    plans: Plans,
    tx: Transaction,
    standing: Row[Any],
    kind: EndingKind,
    message: str | None,
    retry_after_s: float | None,
    *,
    now: float,
    again: Again | None = None,
) -> Verdict:
    entry = plans.get(tx.connection, standing.dag_version_id).entries[standing.task]
    # An expiry was counted as a loss; the site's own word takes its place.
    losses = standing.losses - 1 if standing.assumed else standing.losses
    delays = RetryDelays(first_s=entry.retry_delay_s, backoff=entry.retry_backoff, longest_s=entry.max_retry_delay_s)
    retries = entry.retries + standing.tries_forgiven
    effort = Effort(
        tries=standing.tries,
        losses=losses,
        retries=retries,
        delays=delays,
        instance=standing.id,
        forgiven=standing.tries_forgiven,
    )
    return judge(
        kind,
        message=message,
        retry_after_s=retry_after_s,
        effort=effort,
        cancel_reason=standing.cancel_reason,
        now=now,
        again=again,
    )


def move_on(
    tx: Transaction,
    plans: Plans,
    standing: Row[Any],
    verdict: Verdict,
    *,
    now: float,
    skip: Sequence[str] = (),
    together: Together | None = None,
) -> None:
    final = verdict.state.is_final
    is_next_try = verdict.tries > standing.tries
    moved = {
        "id": standing.id,
        "epoch": standing.epoch,
        "seen": standing.state,
        "state": verdict.state.value,
        "reason": verdict.reason,
        "tries": verdict.tries,
        "losses": verdict.losses,
        "due_at": verdict.due_at,
        "ended_at": now if final else None,
        # What was lost goes on from where it was; a new try begins anew.
        "resumed": verdict.resumed or (None if is_next_try else standing.resumed),
        "rescheduled": int(verdict.state is TaskState.UP_FOR_RESCHEDULE),
    }
    # What is not over is written at once: what follows builds on it.
    if final and together is not None:
        together.write(_MOVE_ON, moved)
    else:
        tx.run(_MOVE_ON, moved)
    if standing.state == TaskState.RUNNING:
        sql_ceilings.made_room(tx, standing)
    if standing.line_id is not None and verdict.state is not TaskState.QUEUED:  # to be queued again gives back too
        sql_admission.give_back(tx, standing.id, team_id=standing.team_id, now=now)
    if final:
        plan = plans.get(tx.connection, standing.dag_version_id)
        ended = [(standing.task, verdict.state)]
        if skip and verdict.state is TaskState.SUCCESS:
            ended += skip_downstream(tx, plan, run=standing.run_id, task=standing.task, skip=skip, now=now)
        if together is not None:
            together.ended(plan, standing.run_id, ended)
        else:
            settle(tx, plan, run=standing.run_id, ended=ended, now=now)
        return
    if is_next_try:
        sql_waits.forget_in_vain(tx, standing.id)
        plan = plans.get(tx.connection, standing.dag_version_id)
        tell_of_retry(tx, plan, run=standing.run_id, instance=standing.id, now=now)
    if verdict.state is TaskState.QUEUED:
        queue(tx, standing.id, placement=standing.placement_id, reason=verdict.reason, now=now)
    else:
        tx.signal(Signal(Topic.TIMER, ""))
    tx.signal(Signal(Topic.RUN, standing.run_id))
