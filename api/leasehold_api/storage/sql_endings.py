"""Recording how attempts ended: one conditional statement decides whether an ending takes effect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row, text

from leasehold_api.callers import AgentCaller
from leasehold_api.fault_points import reach
from leasehold_api.runs.endings import Again, Effort, Verdict, judge, taken_back
from leasehold_api.runs.retry_delays import RetryDelays
from leasehold_api.runs.waiting import began_at, reason_of, resumes_at, until
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_admission, sql_ceilings, sql_waits
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_assets import record_events
from leasehold_api.storage.sql_flow import queue, settle, skip_downstream
from leasehold_api.storage.sql_hooks import tell_of_retry
from leasehold_api.storage.sql_kept_state import apply_changes
from leasehold_api.storage.sql_policies import remember
from leasehold_api.storage.sql_standing import may_take_effect, standing_of, standings_of
from leasehold_api.storage.sql_telemetry import insert_metrics, last_metric_seq, put_xcom
from leasehold_api.storage.sql_together import Together
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import (
    Ending,
    EndingKind,
    Outcome,
    OutcomeAck,
    OutcomeVerdict,
    attempt_id,
    parse_attempt_id,
)
from leasehold_protocol.v1.runs import TaskState
from leasehold_protocol.v1.waiting import WaitKind

_END_ATTEMPT = text("""
    UPDATE attempts
       SET ending = :ending, assumed = :assumed, message = :message, exit_code = :exit_code,
           started_at = :started_at, ended_at = :ended_at, cpu_s = :cpu_s, max_rss_bytes = :max_rss_bytes,
           log_size = COALESCE(:log_size, log_size), label = COALESCE(:label, label), rendered = :rendered
     WHERE task_instance_id = :id AND epoch = :epoch AND (ending IS NULL OR assumed = :true)
""")

_MOVE_ON = text("""
    UPDATE task_instances
       SET state = :state, reason = :reason, tries = :tries, losses = :losses, due_at = :due_at, ended_at = :ended_at,
           resumed = :resumed, rescheduled = rescheduled + :rescheduled, expires_at = NULL, agent_id = NULL,
           blocked_on = NULL
     WHERE id = :id AND epoch = :epoch AND state = :seen
""")

_HELD_BY = text("SELECT id, epoch FROM task_instances WHERE agent_id = :agent AND state = 'running' ORDER BY id")

_OVERDUE = """
    SELECT id, epoch FROM task_instances WHERE state = 'running' AND expires_at <= :now ORDER BY expires_at
     LIMIT 500 {lock}
"""


def record_all(
    tx: Transaction,
    plans: Plans,
    holder: AgentCaller,
    outcomes: Sequence[Outcome],
    *,
    now: float,
    exports_metrics: bool,
) -> list[OutcomeAck]:
    """Record outcomes that a site delivered at once: what they have in common is asked and written once."""
    standings = standings_of(tx, outcomes)
    together = Together() if standings else None
    acks = [
        record(
            tx,
            plans,
            holder,
            outcome,
            now=now,
            exports_metrics=exports_metrics,
            known=standings.get(outcome.attempt),
            together=together,
        )
        for outcome in outcomes
    ]
    if together is not None:
        together.flush(tx, now=now)
    return acks


def record(
    tx: Transaction,
    plans: Plans,
    holder: AgentCaller,
    outcome: Outcome,
    *,
    now: float,
    exports_metrics: bool,
    known: Row[Any] | None = None,
    together: Together | None = None,
) -> OutcomeAck:
    """Record one outcome that a site delivered.

    Args:
        tx: The transaction.
        plans: The plans.
        holder: The agent.
        outcome: What it says.
        now: Seconds since 1970.
        exports_metrics: Whether metrics wait to be exported.
        known: The attempt's standing, if it was read in this transaction.
        together: Gathers what can be written with others' outcomes.
    """

    def answer(verdict: OutcomeVerdict, reason: str | None = None) -> OutcomeAck:
        return OutcomeAck(attempt=outcome.attempt, verdict=verdict, reason=reason)

    try:
        instance, epoch = parse_attempt_id(outcome.attempt)
    except ValueError as error:
        return answer(OutcomeVerdict.REFUSED, str(error))
    standing = known or standing_of(tx, instance, epoch)
    if standing is None and sql_waits.was_pruned(tx, holder.team_id, instance, epoch):
        return answer(OutcomeVerdict.STALE, "newer attempts of this task exist")
    if standing is None or standing.agent_id != holder.agent_id:
        return answer(OutcomeVerdict.REFUSED, "this agent was never given this attempt")
    if standing.ending is not None and not standing.assumed:
        return answer(OutcomeVerdict.DUPLICATE).model_copy(update={"metric_seq": last_metric_seq(tx, instance, epoch)})
    _end_attempt(tx, standing, outcome, together)
    insert_metrics(tx, instance, epoch, outcome.metrics, exported=exports_metrics)
    if not may_take_effect(standing):
        return answer(OutcomeVerdict.STALE, "a newer attempt of this task exists, or its run is over")
    for xcom in outcome.xcoms:
        encoded = json.dumps(xcom.value, ensure_ascii=False, separators=(",", ":"))
        size = len(encoded.encode())
        put_xcom(tx, instance, epoch, xcom.key, value=encoded, size=size, upload=None, together=together)
    apply_changes(tx, instance, outcome.state, now=now)
    _take_effect(tx, plans, standing, outcome, now=now, together=together)
    reach("api.outcome.applied.before-commit")
    # Without new points the agent knows from earlier answers how far they got.
    seq = last_metric_seq(tx, instance, epoch) if outcome.metrics else None
    return answer(OutcomeVerdict.RECORDED).model_copy(update={"metric_seq": seq})


def assume(
    tx: Transaction, plans: Plans, instance: str, epoch: int, kind: EndingKind, message: str, *, now: float
) -> None:
    """Record an ending that the API concludes by itself: the lease ran out, or never reached its agent.

    The site's own word still replaces it, as long as no newer epoch was leased.
    """
    standing = standing_of(tx, instance, epoch)
    if standing is None or standing.state != TaskState.RUNNING or standing.epoch != epoch:
        return
    tx.run(_END_ATTEMPT, _own_ending(standing, kind, message, assumed=True, now=now))
    _move_on(tx, plans, standing, _judge(plans, tx, standing, kind, message, None, now=now), now=now)


def expire(tx: Transaction, plans: Plans, *, now: float) -> int:
    """End the leases whose time is over."""
    lock = "FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    overdue = tx.run(text(_OVERDUE.format(lock=lock)), {"now": now}).all()
    for row in overdue:
        assume(tx, plans, row.id, row.epoch, EndingKind.LEASE_EXPIRED, "its agent was not heard of in time", now=now)
    return len(overdue)


def take_back(tx: Transaction, plans: Plans, agent_id: str, *, because: str, now: float) -> None:
    """End what an agent runs, and queue it for others. What the agent says of it later does not count."""
    for held in tx.run(_HELD_BY, {"agent": agent_id}).all():
        standing = standing_of(tx, held.id, held.epoch)
        if standing is None or standing.state != TaskState.RUNNING or standing.epoch != held.epoch:
            continue
        tx.run(_END_ATTEMPT, _own_ending(standing, EndingKind.CANCELLED, because, assumed=False, now=now))
        verdict = taken_back(
            because, tries=standing.tries, losses=standing.losses, cancel_reason=standing.cancel_reason
        )
        _move_on(tx, plans, standing, verdict, now=now)


def _own_ending(standing: Row[Any], kind: EndingKind, message: str, *, assumed: bool, now: float) -> dict[str, Any]:
    """Return an ending that the API writes itself, with nothing of what only the site could know."""
    return {
        **dict.fromkeys(("exit_code", "started_at", "cpu_s", "max_rss_bytes", "log_size", "label", "rendered")),
        "id": standing.id,
        "epoch": standing.attempt_epoch,
        "ending": kind.value,
        "assumed": assumed,
        "true": True,
        "message": message,
        "ended_at": now,
    }


def _end_attempt(tx: Transaction, standing: Row[Any], outcome: Outcome, together: Together | None) -> None:
    ending, usage = outcome.ending, outcome.ending.usage
    write = partial(tx.run, _END_ATTEMPT) if together is None else partial(together.write, _END_ATTEMPT)
    write(
        {
            "id": standing.id,
            "epoch": standing.attempt_epoch,
            "ending": ending.kind.value,
            "assumed": False,
            "true": True,
            "message": ending.message,
            "exit_code": ending.exit_code,
            "started_at": ending.started_at.timestamp() if ending.started_at else None,
            "ended_at": ending.ended_at.timestamp(),
            "cpu_s": usage.cpu_s if usage else None,
            "max_rss_bytes": usage.max_rss_bytes if usage else None,
            "log_size": outcome.log.size if outcome.log else None,
            "label": ending.label,
            "rendered": outcome.rendered.model_dump_json() if outcome.rendered else None,
        },
    )


def _take_effect(
    tx: Transaction, plans: Plans, standing: Row[Any], outcome: Outcome, *, now: float, together: Together | None
) -> None:
    ending = outcome.ending
    if ending.kind is EndingKind.REFUSED and ending.refusal is not None:
        remember(tx, standing, ending.refusal, ending.message or "it gave no reason", now=now)
    again, problem = _again(tx, standing, ending, now=now)
    message = problem or ending.message
    verdict = _judge(plans, tx, standing, ending.kind, message, ending.retry_after_s, now=now, again=again)
    _move_on(tx, plans, standing, verdict, now=now, skip=ending.skip, together=together)
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


def _judge(
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


def _move_on(
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
