"""What decides whether a task is given something, read inside the transaction that gives it."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from leasehold_api.callers import TaskCaller
from leasehold_api.context.entitlement import Verdict
from leasehold_api.storage import sql_audit
from leasehold_api.storage.sql_oauth import task_entry
from leasehold_api.storage.tables import dag_versions, task_instances
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import TaskEntry

_LEASE = select(task_instances.c.dag_version_id).where(
    task_instances.c.id == bindparam("id"),
    task_instances.c.epoch == bindparam("epoch"),
    task_instances.c.agent_id == bindparam("agent"),
    task_instances.c.state == "running",
)
_MANIFEST = (
    select(dag_versions.c.manifest)
    .join(task_instances, task_instances.c.dag_version_id == dag_versions.c.id)
    .where(task_instances.c.id == bindparam("id"))
)


def lease_runs(tx: Transaction, reader: TaskCaller) -> bool:
    """Say whether the reader's attempt still holds its lease."""
    parameters = {"id": reader.task_instance, "epoch": reader.epoch, "agent": reader.agent_id}
    return tx.run(_LEASE, parameters).first() is not None


def declaration(tx: Transaction, reader: TaskCaller) -> TaskEntry | None:
    """Return what the author declared; read only to explain a refusal."""
    manifest = tx.run(_MANIFEST, {"id": reader.task_instance}).scalar()
    return None if manifest is None else task_entry(manifest, reader.task)


def record(tx: Transaction, reader: TaskCaller, *, action: str, name: str, verdict: Verdict, now: float) -> None:
    """Audit the request, given or not."""
    sql_audit.record(
        tx,
        at=now,
        actor=f"task:{reader.attempt}",
        action=action,
        object=name,
        result=verdict.value,
        team_id=reader.team_id,
        address=reader.address,
        detail={"agent": reader.agent_id, "dag": reader.dag, "task": reader.task, "run": reader.run},
    )
