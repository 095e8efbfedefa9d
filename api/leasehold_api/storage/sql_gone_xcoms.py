"""XComs that retention deleted: a task that reads one is told so, and a retry that would need one is refused."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, text

from leasehold_api.clock import instant
from leasehold_api.dags.mapping import leaves
from leasehold_api.dags.plan import Plan
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.runs.recount import Picture
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import ResultsValue, ResultValue
from leasehold_protocol.v1.retention import Thinned

# What ran again since has left new ones, and a task that left nothing is not told apart from one whose XComs are gone.
_GONE = """
    SELECT t.id, t.task, r.xcoms_deleted_at AS deleted_at
      FROM runs r JOIN task_instances t ON t.run_id = r.id
     WHERE r.id = :run AND r.xcoms_deleted_at IS NOT NULL AND t.ended_at <= r.xcoms_deleted_at AND t.state = 'success'
       AND NOT EXISTS (SELECT 1 FROM xcoms x WHERE x.task_instance_id = t.id AND x.epoch = t.epoch)
"""
_GONE_OF_RUN = text(_GONE)
_GONE_OF_TASK = text(f"{_GONE} AND t.task = :task LIMIT 1")
_GONE_OF_INSTANCE = text(f"{_GONE} AND t.task = :task AND t.map_index = :map_index LIMIT 1")
_UP_TO = text(f"SELECT ended_at FROM thinned WHERE dag_id = :dag AND what = '{Thinned.XCOMS.value}'")


def refuse_if_gone(connection: Connection, *, run: str, task: str, map_index: int | None, own: bool) -> None:
    """Tell a reader that retention deleted what it asks for, of one instance or (none) of any.

    Raises:
        NotFoundError: if it did.
    """
    parameters: dict[str, Any] = {"run": run, "task": task}
    if map_index is None:
        row = connection.execute(_GONE_OF_TASK, parameters).first()
    else:
        row = connection.execute(_GONE_OF_INSTANCE, parameters | {"map_index": map_index}).first()
    if row is not None:
        cure = (
            f"let it run again too: leasehold runs retry {run} --task {task}"
            if own
            else "give a default, or ask an admin for a longer xcom_retention_days"
        )
        raise NotFoundError(
            f"what task {task} of run {run} passed on was deleted by retention on {_day(row.deleted_at)}: {cure}"
        )


def said_of_earlier(connection: Connection, dag_id: str) -> str:
    """Return what to add where no earlier run of a DAG has an XCom: retention may have deleted it."""
    ended_at = connection.execute(_UP_TO, {"dag": dag_id}).scalar_one_or_none()
    return "" if ended_at is None else f"; those of runs that ended up to {_day(ended_at)} were deleted by retention"


def refuse_retry(tx: Transaction, plan: Plan, picture: Picture, run: str, cleared: Collection[str]) -> None:
    """Refuse to begin task instances anew whose arguments name results that retention deleted.

    Raises:
        ConflictError: if there are such.
    """
    gone = {row.task: row.deleted_at for row in tx.run(_GONE_OF_RUN, {"run": run}) if row.id not in cleared}
    if not gone:
        return
    for task in sorted({picture[instance].task for instance in cleared}):
        for source in sorted(_sources(plan, task) & set(gone)):
            raise ConflictError(
                f"task {task} reads what {source} returned, and that was deleted by retention on "
                f"{_day(gone[source])}: let {source} run again too (leasehold runs retry {run} --task {source}), or "
                f"start a new run (leasehold runs trigger {plan.dag})"
            )


def _sources(plan: Plan, task: str) -> set[str]:
    """Return the tasks whose results a task's arguments and what it is mapped over name."""
    mapped = plan.entries[task].mapped
    items = [leaf for leaf in leaves(mapped) if isinstance(leaf, ResultValue | ResultsValue)] if mapped else []
    return {source for source, _ in (*plan.inputs[task], *plan.mapped_inputs[task])} | {leaf.task for leaf in items}


def _day(at: float) -> str:
    return f"{instant(at):%Y-%m-%d}"
