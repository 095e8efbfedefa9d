"""What was queued for too long: found by an index on its due time, and failed with what kept it."""

from __future__ import annotations

from sqlalchemy import text

from leasehold_api.runs.blocking import why_in_words
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_admission import give_back, hold_still
from leasehold_api.storage.sql_blocking import blocking_of
from leasehold_api.storage.sql_flow import settle
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import TaskState

_DUE = text("""
    SELECT id, team_id, queue_timeout_s FROM task_instances
     WHERE state = 'queued' AND due_at IS NOT NULL AND due_at <= :now
     ORDER BY due_at LIMIT 200
""")

# Whoever leases it at the same moment wins or loses by this condition, and by the claim's.
_FAIL = text("""
    UPDATE task_instances SET state = 'failed', reason = :reason, ended_at = :now, due_at = NULL, blocked_on = NULL
     WHERE id = :id AND state = 'queued' AND due_at <= :now
    RETURNING run_id, task, dag_version_id, line_id
""")


def fail_overdue(tx: Transaction, plans: Plans, *, now: float) -> int:
    """Fail what was queued for longer than its ``queue_timeout``; return how many."""
    due = tx.run(_DUE, {"now": now}).all()
    for team in sorted({row.team_id for row in due}):
        hold_still(tx, team)  # before the rows: who admits them locks in this order
    failed = 0
    for row in due:
        blocking = blocking_of(tx.connection, row.team_id, row.id)
        why = why_in_words(blocking) if blocking is not None else "it was not started"
        reason = f"it was queued for {row.queue_timeout_s:g} s, which is its queue_timeout: {why}"
        ended = tx.run(_FAIL, {"id": row.id, "now": now, "reason": reason}).one_or_none()
        if ended is None:
            continue
        failed += 1
        if ended.line_id is not None:
            give_back(tx, row.id, team_id=row.team_id, now=now)
        plan = plans.get(tx.connection, ended.dag_version_id)
        settle(tx, plan, run=ended.run_id, ended=[(ended.task, TaskState.FAILED)], now=now)
    return failed
