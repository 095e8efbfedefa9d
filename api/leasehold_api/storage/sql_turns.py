"""What the end of a run makes room for: runs that wait for their turn, the DAG's schedule, the backfill's next ones."""

from __future__ import annotations

from sqlalchemy import text

from leasehold_api.dags.plan import Plan
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.schedule_rows import EARLIEST
from leasehold_api.storage.sql_making_runs import Settle, begin_queued
from leasehold_api.storage.writer import Transaction

# A paused DAG is let go of, too: what is due of it comes with its unpausing.
_LET_GO = text(f"""
    UPDATE schedules SET waits = NULL, due_at = CASE WHEN paused_at IS NULL THEN {EARLIEST} END
     WHERE dag_id = :dag AND waits IS NOT NULL
    RETURNING due_at
""")

_MORE_OF_BACKFILL = text("UPDATE backfills SET due_at = :now WHERE id = :id AND state = 'running'")


def run_ended(tx: Transaction, plan: Plan, *, dag_id: str, backfill: str | None, settle: Settle, now: float) -> None:
    """Let what waited for a run's end go on, in the transaction of that end."""
    if backfill is not None:
        tx.run(_MORE_OF_BACKFILL, {"id": backfill, "now": now})
        tx.signal(Signal(Topic.TIMER, ""))
        return
    left = begin_queued(tx, dag_id, settle=settle, plan=plan, now=now)
    if left is not None:
        # None may wait in line any more, though there is no room left: the schedule may have one waiting again.
        let_go(tx, dag_id)


def let_go(tx: Transaction, dag_id: str) -> None:
    """Let a schedule go on that ``max_active_runs`` held up."""
    released = tx.run(_LET_GO, {"dag": dag_id}).scalar_one_or_none()
    if released is not None:
        tx.signal(Signal(Topic.TIMER, ""))
