"""Rows of a run: made at once, or when its turn comes where its DAG has ``max_active_runs``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import text

from leasehold_api.dags.plan import Plan
from leasehold_api.runs.catalog import NewRun
from leasehold_api.runs.flow import Upstream, state_after_upstream
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_admission import move_up
from leasehold_api.storage.sql_lines import lines_for
from leasehold_api.storage.sql_mapping import expand
from leasehold_api.storage.sql_placing import place
from leasehold_api.storage.sql_waits import settle_run
from leasehold_api.storage.tables import runs, task_instances
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import TaskEntry
from leasehold_protocol.v1.runs import RunState, TaskState

# Whoever makes, begins or ends runs of a DAG that has a limit comes through this row's lock, so that nobody counts
# runs while another changes how many there are. SQLite has one writer.
_LIMIT = "SELECT max_active_runs FROM schedules WHERE dag_id = :dag AND max_active_runs IS NOT NULL {lock}"

_ACTIVE = text("""
    SELECT count(*) FROM runs WHERE dag_id = :dag AND state = 'running' AND backfill_id IS NULL
""")

_NEXT_QUEUED = text("""
    SELECT id, team_id, dag_version_id FROM runs WHERE dag_id = :dag AND state = 'queued' ORDER BY id LIMIT 1
""")

_BEGIN_RUN = text("UPDATE runs SET state = 'running' WHERE id = :run AND state = 'queued'")

_DROP = text("""
    UPDATE runs SET state = 'cancelled', ended_at = :now, open_tasks = 0 WHERE id = :run AND state = 'queued'
""")


_NOT_EXPANDED = text("UPDATE task_instances SET state = :state, reason = :reason, ended_at = :now WHERE id = :id")


class Settle(Protocol):
    """``sql_flow.settle``, which comes after this module: the end of a run may begin the next one."""

    def __call__(
        self, tx: Transaction, plan: Plan, *, run: str, ended: Iterable[tuple[str, TaskState]], now: float
    ) -> None:
        """Let the ends of task instances take effect."""
        ...


def room(tx: Transaction, dag_id: str) -> int | None:
    """Return how many more runs of a DAG may go on, its limit locked; none: as many as one likes."""
    lock = "FOR UPDATE" if tx.dialect == "postgresql" else ""
    most = tx.run(text(_LIMIT.format(lock=lock)), {"dag": dag_id}).scalar_one_or_none()
    return None if most is None else int(most - tx.run(_ACTIVE, {"dag": dag_id}).scalar_one())


def make_run(tx: Transaction, plan: Plan, new: NewRun, *, dag_id: str, settle: Settle, now: float) -> RunState:
    """Make a run; return whether it goes on, or waits for its turn."""
    left = None if new.backfill is not None else room(tx, dag_id)
    state = RunState.QUEUED if left is not None and left <= 0 else RunState.RUNNING
    begin, end = new.data_interval or (None, None)
    tx.run(
        runs.insert().values(
            id=new.id,
            team_id=new.team_id,
            dag_id=dag_id,
            dag_version_id=plan.version_id,
            state=state.value,
            trigger=new.trigger,
            params=json.dumps(new.params, separators=(",", ":")),
            logical_date=new.logical_date,
            data_interval_start=begin,
            data_interval_end=end,
            backfill_id=new.backfill,
            idempotency_key=new.idempotency_key,
            open_tasks=len(plan.manifest.tasks),
            caused_by=new.cause.task_instance if new.cause else None,
            depth=new.cause.depth if new.cause else 0,
            created_by=new.created_by,
            created_at=now,
        )
    )
    if state is RunState.RUNNING:
        _begin(tx, plan, run=new.id, team_id=new.team_id, dag_id=dag_id, settle=settle, now=now)
    tx.signal(Signal(Topic.RUN, new.id))
    return state


def begin_queued(tx: Transaction, dag_id: str, *, settle: Settle, plan: Plan | None = None, now: float) -> int | None:
    """Begin runs that wait for their turn, oldest first, while there is room; return how much of it is left.

    Args:
        tx: The transaction that made room.
        dag_id: The DAG.
        settle: Lets what ends at once take effect.
        plan: A version of it that is at hand.
        now: Seconds since 1970.
    """
    left = room(tx, dag_id)
    while left is None or left > 0:
        row = tx.run(_NEXT_QUEUED, {"dag": dag_id}).one_or_none()
        if row is None:
            break
        tx.run(_BEGIN_RUN, {"run": row.id})
        if plan is None or plan.version_id != row.dag_version_id:
            plan = Plans().get(tx.connection, row.dag_version_id)
        _begin(tx, plan, run=row.id, team_id=row.team_id, dag_id=dag_id, settle=settle, now=now)
        tx.signal(Signal(Topic.RUN, row.id))
        left = None if left is None else left - 1
    return left


def drop_queued(tx: Transaction, run: str, *, now: float) -> None:
    """End a run that waits for its turn: none of its tasks is there yet."""
    tx.run(_DROP, {"run": run, "now": now})
    settle_run(tx, run, RunState.CANCELLED, now=now)
    tx.signal(Signal(Topic.RUN, run))


def _begin(tx: Transaction, plan: Plan, *, run: str, team_id: str, dag_id: str, settle: Settle, now: float) -> None:
    """Make the task instances of a run, and queue what waits for nothing."""
    rows = _instances(tx, plan, run=run, team_id=team_id, dag_id=dag_id, now=now)
    tx.run(task_instances.insert(), rows)
    first = sorted((row for row in rows if row["blocked_on"]), key=lambda row: (-row["priority"], row["id"]))
    for line, those in groupby(first, key=itemgetter("blocked_on")):
        move_up(tx, line, now=now, most=len(list(those)))
    for row in rows:
        if row["queued_at"] and not row["blocked_on"]:
            tx.signal(Signal(Topic.QUEUED, row["placement_id"]))
    if any(row["due_at"] for row in rows):
        tx.signal(Signal(Topic.TIMER, ""))
    settle(tx, plan, run=run, ended=_expanded(tx, plan, run, rows, now), now=now)


def _instances(tx: Transaction, plan: Plan, *, run: str, team_id: str, dag_id: str, now: float) -> list[dict[str, Any]]:
    placements = place(tx, plan, team_id)
    lines = lines_for(tx, plan, team_id=team_id, dag_id=dag_id, run_id=run, now=now)
    rows: list[dict[str, Any]] = []
    for position, entry in enumerate(plan.manifest.tasks):
        queued = entry.mapped is None and _is_ready(plan, entry)
        rows.append(
            {
                "id": f"ti{run.removeprefix('run')}_{position}",
                "run_id": run,
                "dag_version_id": plan.version_id,
                "team_id": team_id,
                "task": entry.id,
                "position": position,
                "state": TaskState.QUEUED.value if queued else TaskState.NONE.value,
                "priority": entry.priority,
                "placement_id": placements[entry.id],
                "waits_for": len(set(entry.upstream)),
                "lease_length_s": entry.max_offline_s,
                "line_id": lines.get(entry.id),
                "blocked_on": lines.get(entry.id) if queued else None,
                "queue_timeout_s": entry.queue_timeout_s,
                "queued_at": now if queued else None,
                "due_at": now + entry.queue_timeout_s if queued and entry.queue_timeout_s else None,
            }
        )
    return rows


def _is_ready(plan: Plan, entry: TaskEntry) -> bool:
    setups = Upstream(waits_for=len(plan.setups.get(entry.id, ())))
    upstream = Upstream(waits_for=len(set(entry.upstream)))
    return state_after_upstream(entry.trigger_rule, upstream, setups) is TaskState.QUEUED


def _expanded(
    tx: Transaction, plan: Plan, run: str, rows: Iterable[dict[str, Any]], now: float
) -> list[tuple[str, TaskState]]:
    """Expand the mapped tasks that wait for nothing; return those that ended without any instance."""
    ended: list[tuple[str, TaskState]] = []
    for row in rows:
        entry = plan.entries[row["task"]]
        if entry.mapped is None or not _is_ready(plan, entry):
            continue
        problem = expand(tx, plan, run=run, instance=row["id"], task=entry.id, placement=row["placement_id"], now=now)
        if problem is not None:
            tx.run(_NOT_EXPANDED, {"id": row["id"], "state": problem.state, "reason": problem.reason, "now": now})
            ended.append((entry.id, problem.state))
    return ended
