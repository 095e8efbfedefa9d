"""Rows of a run: made at once, or when its turn comes where its DAG has ``max_active_runs``."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text

from leasehold_api.dags.plan import Plan, canonical_needs, placement_id
from leasehold_api.runs.catalog import NewRun
from leasehold_api.runs.flow import state_after_upstream
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_fleet import rematch_placement
from leasehold_api.storage.sql_waits import settle_run
from leasehold_api.storage.tables import runs, task_instances
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import RunState, TaskState

_ADD_PLACEMENT = text("""
    INSERT INTO placements (id, team_id, needs) VALUES (:id, :team, :needs) ON CONFLICT (id) DO NOTHING
""")

# Whoever makes, begins or ends runs of a DAG that has a limit comes through this row's lock, so that nobody counts
# runs while another changes how many there are. SQLite has one writer.
_LIMIT = "SELECT max_active_runs FROM schedules WHERE dag_id = :dag AND max_active_runs IS NOT NULL {lock}"

_ACTIVE = text("""
    SELECT count(*) FROM runs WHERE dag_id = :dag AND state = 'running' AND backfill_id IS NULL
""")

_NEXT_QUEUED = text("""
    SELECT id, team_id, dag_version_id FROM runs WHERE dag_id = :dag AND state = 'queued' ORDER BY id LIMIT 1
""")

_BEGIN = text("UPDATE runs SET state = 'running' WHERE id = :run AND state = 'queued'")

_DROP = text("""
    UPDATE runs SET state = 'cancelled', ended_at = :now, open_tasks = 0 WHERE id = :run AND state = 'queued'
""")


def room(tx: Transaction, dag_id: str) -> int | None:
    """Return how many more runs of a DAG may go on, its limit locked; none: as many as one likes."""
    lock = "FOR UPDATE" if tx.dialect == "postgresql" else ""
    most = tx.run(text(_LIMIT.format(lock=lock)), {"dag": dag_id}).scalar_one_or_none()
    return None if most is None else int(most - tx.run(_ACTIVE, {"dag": dag_id}).scalar_one())


def make_run(tx: Transaction, plan: Plan, new: NewRun, *, dag_id: str, now: float) -> RunState:
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
        _add_task_instances(tx, plan, new.id, new.team_id, now)
    tx.signal(Signal(Topic.RUN, new.id))
    return state


def begin_queued(tx: Transaction, dag_id: str, *, plan: Plan | None = None, now: float) -> int | None:
    """Begin runs that wait for their turn, oldest first, while there is room; return how much of it is left.

    Args:
        tx: The transaction that made room.
        dag_id: The DAG.
        plan: A version of it that is at hand.
        now: Seconds since 1970.
    """
    left = room(tx, dag_id)
    while left is None or left > 0:
        row = tx.run(_NEXT_QUEUED, {"dag": dag_id}).one_or_none()
        if row is None:
            break
        tx.run(_BEGIN, {"run": row.id})
        if plan is None or plan.version_id != row.dag_version_id:
            plan = Plans().get(tx.connection, row.dag_version_id)
        _add_task_instances(tx, plan, row.id, row.team_id, now)
        tx.signal(Signal(Topic.RUN, row.id))
        left = None if left is None else left - 1
    return left


def drop_queued(tx: Transaction, run: str, *, now: float) -> None:
    """End a run that waits for its turn: none of its tasks is there yet."""
    tx.run(_DROP, {"run": run, "now": now})
    settle_run(tx, run, RunState.CANCELLED, now=now)
    tx.signal(Signal(Topic.RUN, run))


def _add_task_instances(tx: Transaction, plan: Plan, run: str, team_id: str, now: float) -> None:
    placements = _place(tx, plan, team_id)
    rows: list[dict[str, Any]] = []
    for position, entry in enumerate(plan.manifest.tasks):
        waits_for = len(set(entry.upstream))
        state = state_after_upstream(entry.trigger_rule, waits_for=waits_for, failures=0, skips=0)
        queued = state is TaskState.QUEUED
        rows.append(
            {
                "id": f"ti{run.removeprefix('run')}_{position}",
                "run_id": run,
                "dag_version_id": plan.version_id,
                "team_id": team_id,
                "task": entry.id,
                "position": position,
                "state": state.value,
                "priority": entry.priority,
                "placement_id": placements[entry.id],
                "waits_for": waits_for,
                "lease_length_s": entry.max_offline_s,
                "queued_at": now if queued else None,
            }
        )
        if queued:
            tx.signal(Signal(Topic.QUEUED, placements[entry.id]))
    tx.run(task_instances.insert(), rows)


def _place(tx: Transaction, plan: Plan, team_id: str) -> dict[str, str]:
    """Return task → placement id; placements nobody asked for before are matched against the sites."""
    needs = {entry.id: canonical_needs(entry.needs) for entry in plan.manifest.tasks}
    ids = {text_: placement_id(team_id, text_) for text_ in set(needs.values())}
    for canonical, identifier in sorted(ids.items()):
        added = tx.run(_ADD_PLACEMENT, {"id": identifier, "team": team_id, "needs": canonical})
        if added.rowcount == 1:  # type: ignore[attr-defined]  # Result of an INSERT is a CursorResult
            rematch_placement(tx, identifier, team_id, json.loads(canonical))
    return {task: ids[canonical] for task, canonical in needs.items()}
