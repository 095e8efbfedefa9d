"""Recording how attempts ended: one conditional statement decides whether an ending takes effect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row, text

from leasehold_api.callers import AgentCaller
from leasehold_api.fault_points import reach
from leasehold_api.runs.endings import taken_back
from leasehold_api.storage import sql_waits
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_kept_state import apply_changes
from leasehold_api.storage.sql_standing import may_take_effect, standing_of, standings_of
from leasehold_api.storage.sql_taking_effect import judged, move_on, take_effect
from leasehold_api.storage.sql_telemetry import insert_metrics, last_metric_seq, put_xcom
from leasehold_api.storage.sql_together import Together
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import (
    EndingKind,
    Outcome,
    OutcomeAck,
    OutcomeVerdict,
    parse_attempt_id,
)
from leasehold_protocol.v1.runs import TaskState

_END_ATTEMPT = text("""
    UPDATE attempts
       SET ending = :ending, assumed = :assumed, message = :message, exit_code = :exit_code,
           started_at = :started_at, ended_at = :ended_at, cpu_s = :cpu_s, max_rss_bytes = :max_rss_bytes,
           log_size = COALESCE(:log_size, log_size), label = COALESCE(:label, label), rendered = :rendered
     WHERE task_instance_id = :id AND epoch = :epoch AND (ending IS NULL OR assumed = :true)
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
    take_effect(tx, plans, standing, outcome, now=now, together=together)
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
    move_on(tx, plans, standing, judged(plans, tx, standing, kind, message, None, now=now), now=now)


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
        move_on(tx, plans, standing, verdict, now=now)


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
