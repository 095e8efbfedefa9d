"""A run goes on with its DAG's newest version, where that has the same tasks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, text

from leasehold_api.errors import ConflictError
from leasehold_api.runs.recount import Standing
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_placing import place
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import TaskState

_NEWEST = text("""
    SELECT v.id, v.version FROM dags d JOIN dag_versions v ON v.dag_id = d.id AND v.version = d.version
     WHERE d.id = :dag
""")
_MOVE_RUN = text("UPDATE runs SET dag_version_id = :version WHERE id = :run")
_MOVE_TASK = text("""
    UPDATE task_instances
       SET dag_version_id = :version, position = :position, placement_id = :placement, priority = :priority,
           lease_length_s = :lease_length_s
     WHERE run_id = :run AND task = :task
""")


def move_to_newest(tx: Transaction, plans: Plans, run: Row[Any], standings: Collection[Standing]) -> None:
    """Pin a run to its DAG's newest version.

    Raises:
        ConflictError: if something of it is running, or the newest version has other tasks.
    """
    newest = tx.run(_NEWEST, {"dag": run.dag_id}).one()
    if newest.id == run.dag_version_id:
        return
    if running := next((one.task for one in standings if one.state is TaskState.RUNNING), None):
        raise ConflictError(f"task {running} is running by version {run.version}: wait for its end, or cancel it first")
    plan = plans.get(tx.connection, newest.id)
    was, now_ = {one.task for one in standings}, set(plan.entries)
    if was != now_:
        gone, new = ", ".join(sorted(was - now_)[:5]), ", ".join(sorted(now_ - was)[:5])
        difference = "; ".join(part for part in (gone and f"without {gone}", new and f"with {new}") if part)
        raise ConflictError(
            f"version {newest.version} has other tasks ({difference}), so this run can't go on with it: start a new "
            f"run (leasehold runs trigger {plan.dag}), or leave out --latest"
        )
    placements = place(tx, plan, run.team_id)
    tx.run(_MOVE_RUN, {"run": run.id, "version": newest.id})
    tx.run(
        _MOVE_TASK,
        [
            {
                "run": run.id,
                "task": entry.id,
                "version": newest.id,
                "position": position,
                "placement": placements[entry.id],
                "priority": entry.priority,
                "lease_length_s": entry.max_offline_s,
            }
            for position, entry in enumerate(plan.manifest.tasks)
        ],
    )
    for placement in sorted(set(placements.values())):
        tx.signal(Signal(Topic.QUEUED, placement))  # what waits already may wait for another site now
