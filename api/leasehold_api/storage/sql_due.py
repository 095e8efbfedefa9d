"""What is due by time: retries, reschedules, and waits whose time is up. One index leads to all of them."""

from __future__ import annotations

from sqlalchemy import text

from leasehold_api.fault_points import reach
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.sql_flow import queue
from leasehold_api.storage.sql_nearness import spread
from leasehold_api.storage.sql_restored import let_go
from leasehold_api.storage.sql_waits import settle_by_time
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import TaskState

_WAITING = "state IN ('up_for_retry', 'up_for_reschedule', 'deferred')"  # as the index has it

_DUE = f"""
    SELECT id, state, placement_id, run_id FROM task_instances WHERE {_WAITING} AND due_at <= :now
     ORDER BY due_at LIMIT 500 {{lock}}
"""

NEXT_DEADLINE = text(f"""
    SELECT min(at) FROM (
        SELECT min(expires_at) AS at FROM task_instances WHERE state = 'running'
        UNION ALL SELECT min(due_at) FROM task_instances WHERE {_WAITING}
        UNION ALL SELECT min(spread_at) FROM task_instances WHERE state = 'queued' AND spread_at IS NOT NULL
        UNION ALL SELECT min(due_at) FROM task_instances WHERE state = 'queued' AND due_at IS NOT NULL
        UNION ALL SELECT min(leases_from) FROM teams) AS deadlines
""")


def queue_due(tx: Transaction, now: float) -> int:
    """Queue what is due; return how many."""
    lock = "FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    due = tx.run(text(_DUE.format(lock=lock)), {"now": now}).all()
    for row in due:
        if row.state == TaskState.DEFERRED:
            settle_by_time(tx, row.id, now=now)
        else:
            queue(tx, row.id, placement=row.placement_id, reason=None, now=now)
            tx.signal(Signal(Topic.RUN, row.run_id))
    if due:
        reach("api.due.applied.before-commit")
    return len(due) + spread(tx, now=now) + let_go(tx, now=now)
