"""Ending task instances by a person's word: the attempt that runs, if one does, counts no more."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.sql_admission import give_back
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.runs import TaskState

# Not assumed: the site's word does not replace it.
_END_ATTEMPT = text("""
    UPDATE attempts SET ending = :ending, assumed = :false, message = :message, ended_at = :now
     WHERE task_instance_id = :id AND ending IS NULL
    RETURNING agent_id
""")

_END = text("""
    UPDATE task_instances
       SET state = :state, reason = :reason, ended_at = :now, due_at = NULL, expires_at = NULL, agent_id = NULL,
           cancel_reason = NULL, blocked_on = NULL, skipped_by = NULL
     WHERE id = :id
    RETURNING line_id
""")

_CLOSE_WAITS = text("""
    UPDATE waits SET state = 'closed', settled_at = :now WHERE task_instance_id = :id AND state = 'open'
""")

_CANCEL = text("""
    UPDATE task_instances SET cancel_reason = :reason WHERE id = :id AND state = 'running' RETURNING agent_id
""")


def end_by_hand(tx: Transaction, instance: str, state: TaskState, reason: str, *, team_id: str, now: float) -> None:
    """End one task instance, whatever it does; its agent learns with the next renewal that the lease is lost."""
    line = tx.run(_END, {"id": instance, "state": state.value, "reason": reason, "now": now}).scalar_one()
    if line is not None:
        give_back(tx, instance, team_id=team_id, now=now)
    ending = {"id": instance, "ending": EndingKind.CANCELLED.value, "false": False, "message": reason, "now": now}
    for agent in tx.run(_END_ATTEMPT, ending).scalars():
        tx.signal(Signal(Topic.AGENT, agent))
    tx.run(_CLOSE_WAITS, {"id": instance, "now": now})


def cancel_running(tx: Transaction, instances: Sequence[str], reason: str) -> None:
    """Ask the agents to stop these; each is recorded as cancelled when its processes are gone."""
    for instance in instances:
        for agent in tx.run(_CANCEL, {"id": instance, "reason": reason}).scalars():
            tx.signal(Signal(Topic.AGENT, agent))
