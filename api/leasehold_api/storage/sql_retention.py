"""Old runs, marked and deleted in parts, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text

from leasehold_api.acting import By, Team
from leasehold_api.clock import instant_or_none
from leasehold_api.errors import ConflictError, InvalidRequestError, NotFoundError
from leasehold_api.runs.retention import DAY_S, MOST_RUNS, Part, Unneeded, kept_days
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_lines import forget_run
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import attempt_id
from leasehold_protocol.v1.retention import PruneAnswer, PrunedDag, PruneRequest

BY_POLICY = "service:retention"
"""The actor in the audit trail when nobody but the policy did it."""

_STATE = text("SELECT state FROM runs WHERE id = :run AND team_id = :team AND deleted_at IS NULL")
_MARK = text("""
    UPDATE runs SET deleted_at = :now
     WHERE id = :run AND team_id = :team AND ended_at IS NOT NULL AND deleted_at IS NULL RETURNING id
""")
_MARK_ALL = text("UPDATE runs SET deleted_at = :now WHERE id IN :ids AND deleted_at IS NULL").bindparams(
    bindparam("ids", expanding=True)
)
_DAGS = text("SELECT id, team_id, name, retention_days FROM dags ORDER BY id")

# The newest stays, however old it is: what comes next may have to know what was last.
_OLD = """
    SELECT r.id, r.ended_at FROM runs r
     WHERE r.dag_id = :dag AND r.ended_at <= :before AND r.ended_at IS NOT NULL AND r.deleted_at IS NULL
       AND r.id <> (SELECT n.id FROM runs n WHERE n.dag_id = :dag ORDER BY n.logical_date DESC, n.id DESC LIMIT 1)
     ORDER BY r.ended_at LIMIT :most {lock}
"""

_MARKED = text("SELECT id, team_id FROM runs WHERE deleted_at IS NOT NULL ORDER BY deleted_at, id LIMIT 1")
_INSTANCES = text("SELECT id FROM task_instances WHERE run_id = :run ORDER BY id LIMIT :most")
_ATTEMPTS = text("SELECT task_instance_id, epoch FROM attempts WHERE task_instance_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)

# In the order in which the rows refer to one another.
_NOTE_BLOBS = text("""
    INSERT INTO unneeded_blobs (team_id, sha256, since)
    SELECT CAST(:team AS TEXT), sha256, CAST(:now AS DOUBLE PRECISION) FROM (
        SELECT object AS sha256 FROM xcoms WHERE task_instance_id IN :ids AND object IS NOT NULL
         UNION SELECT sha256 FROM xcom_files WHERE task_instance_id IN :ids) AS named WHERE true
    ON CONFLICT (team_id, sha256) DO UPDATE SET since = excluded.since
""").bindparams(bindparam("ids", expanding=True))
_TABLES = ("metric_points", "xcom_files", "xcoms", "task_state", "waits", "attempts")
_FORGET = [
    text(f"DELETE FROM {table} WHERE task_instance_id IN :ids").bindparams(bindparam("ids", expanding=True))
    for table in _TABLES
]
_FORGET_REFUSALS = text("DELETE FROM policy_refusals WHERE subject IN :ids").bindparams(
    bindparam("ids", expanding=True)
)
_FORGET_INSTANCES = text("DELETE FROM task_instances WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))
_FORGET_RUN = text("DELETE FROM runs WHERE id = :run AND deleted_at IS NOT NULL")

_NOTED = text("""
    SELECT u.team_id, u.sha256,
           EXISTS (SELECT 1 FROM bundles b WHERE b.team_id = u.team_id AND b.sha256 = u.sha256)
        OR EXISTS (SELECT 1 FROM xcom_files f JOIN task_instances t ON t.id = f.task_instance_id
                    WHERE f.sha256 = u.sha256 AND t.team_id = u.team_id)
        OR EXISTS (SELECT 1 FROM xcoms x JOIN task_instances t ON t.id = x.task_instance_id
                    WHERE x.object = u.sha256 AND t.team_id = u.team_id) AS is_named
      FROM unneeded_blobs u WHERE u.since <= :before ORDER BY u.since LIMIT :most
""")
_NOTED_NO_MORE = text("DELETE FROM unneeded_blobs WHERE team_id = :team AND sha256 = :sha256")


class SqlRetention:
    """Implements ``leasehold_api.runs.retention.RetentionStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def delete(self, team: Team, run: str, *, by: By) -> None:
        """Mark a run; see the port."""

        def operation(tx: Transaction) -> None:
            if tx.run(_MARK, {"run": run, "team": team.id, "now": by.at}).first() is None:
                state = tx.run(_STATE, {"run": run, "team": team.id}).scalar_one_or_none()
                if state is None:
                    raise NotFoundError(f"there is no run {run!r} in this team; list them: leasehold runs list")
                raise ConflictError(f"run {run} is {state}: cancel it first (leasehold runs cancel {run})")
            _record(tx, "run.deleted", run, team.id, by, {})

        await self._database.write(operation)

    async def prune(
        self, team: Team, asked: PruneRequest, *, server_days: float | None, by: By, thins: bool = False
    ) -> PruneAnswer:
        """Mark what is old, or say what is; see the port."""

        def operation(tx: Transaction) -> PruneAnswer:
            dags = [row for row in tx.run(_DAGS) if row.team_id == team.id and asked.dag in (None, row.name)]
            if asked.dag is not None and not dags:
                raise NotFoundError(f"there is no DAG {asked.dag!r} in this team; list them: leasehold dags list")
            days = {dag.id: asked.older_than_days or kept_days(server_days, dag.retention_days) for dag in dags}
            if not any(days.values()) and not (thins and asked.dry_run):
                raise InvalidRequestError(
                    "nothing says how long runs are kept: name an age (leasehold runs prune --older-than 90d), or set "
                    "retention_days on the server or of the DAG"
                )
            items: list[PrunedDag] = []
            left = MOST_RUNS
            for dag in dags:
                old = _old(tx, dag, days[dag.id], most=left, now=by.at)
                left -= len(old)
                if old:
                    oldest = instant_or_none(old[0].ended_at)
                    items.append(PrunedDag(dag=dag.name, days=days[dag.id] or 0, runs=len(old), oldest=oldest))
                    if not asked.dry_run:
                        _mark(tx, dag, old, by)
            return PruneAnswer(dry_run=asked.dry_run, items=items, more=left <= 0)

        if asked.dry_run:
            return await self._database.read(lambda connection: operation(Transaction(connection)))
        return await self._database.write(operation)

    async def mark_old(self, *, server_days: float | None, most: int, now: float) -> int:
        """Mark what is older than it is kept; see the port."""

        def candidates(connection: Connection) -> bool:
            tx = Transaction(connection)
            return any(
                _old(tx, dag, kept_days(server_days, dag.retention_days), most=1, now=now) for dag in tx.run(_DAGS)
            )

        def operation(tx: Transaction) -> int:
            left = most
            for dag in tx.run(_DAGS).all():
                old = _old(tx, dag, kept_days(server_days, dag.retention_days), most=left, now=now, locked=True)
                if old:
                    _mark(tx, dag, old, By(actor=BY_POLICY, at=now))
                    left -= len(old)
            return most - left

        # Looked for beside the writer, which has better things to do ten times an hour than to find nothing.
        return await self._database.write(operation) if await self._database.read(candidates) else 0

    async def next_part(self, *, most: int) -> Part | None:
        """Return a part of a marked run; see the port."""

        def query(connection: Connection) -> Part | None:
            run = connection.execute(_MARKED).first()
            if run is None:
                return None
            ids = connection.execute(_INSTANCES, {"run": run.id, "most": most}).scalars().all()
            attempts = connection.execute(_ATTEMPTS, {"ids": ids}).all() if ids else []
            logs = [attempt_id(row.task_instance_id, row.epoch) for row in attempts]
            return Part(run=run.id, team_id=run.team_id, instances=ids, attempts=logs)

        return await self._database.read(query)

    async def forget(self, part: Part, *, now: float) -> None:
        """Delete the rows of a part; see the port."""

        def operation(tx: Transaction) -> None:
            if not part.instances:
                forget_run(tx, part.run)
                tx.run(_FORGET_RUN, {"run": part.run})
                return
            ids = {"ids": list(part.instances)}
            note_blobs(tx, part.instances, team_id=part.team_id, now=now)
            for statement in (*_FORGET, _FORGET_REFUSALS, _FORGET_INSTANCES):
                tx.run(statement, ids)

        await self._database.write(operation)

    async def unneeded(self, *, since_before: float, most: int) -> list[Unneeded]:
        """Return blobs that nothing names; see the port."""
        parameters = {"before": since_before, "most": most}
        while True:
            rows = await self._database.read(lambda c: c.execute(_NOTED, parameters).all())
            free = [Unneeded(team_id=row.team_id, sha256=row.sha256) for row in rows if not row.is_named]
            await self.blobs_gone([Unneeded(team_id=row.team_id, sha256=row.sha256) for row in rows if row.is_named])
            if free or not rows:
                return free

    async def blobs_gone(self, blobs: Sequence[Unneeded]) -> None:
        """Take blobs off the list; see the port."""
        if blobs:
            rows = [{"team": blob.team_id, "sha256": blob.sha256} for blob in blobs]
            await self._database.write(lambda tx: tx.run(_NOTED_NO_MORE, rows).close())


def note_blobs(tx: Transaction, instances: Sequence[str], *, team_id: str, now: float) -> None:
    """Note the blobs that the XComs of task instances name, before those are deleted."""
    tx.run(_NOTE_BLOBS, {"ids": list(instances), "team": team_id, "now": now})


def _old(
    tx: Transaction, dag: Row[Any], days: float | None, *, most: int, now: float, locked: bool = False
) -> Sequence[Row[Any]]:
    if days is None or most <= 0:
        return []
    lock = "FOR UPDATE OF r SKIP LOCKED" if locked and tx.dialect == "postgresql" else ""
    parameters = {"dag": dag.id, "before": now - days * DAY_S, "most": most}
    return tx.run(text(_OLD.format(lock=lock)), parameters).all()


def _mark(tx: Transaction, dag: Row[Any], old: Sequence[Row[Any]], by: By) -> None:
    tx.run(_MARK_ALL, {"ids": [row.id for row in old], "now": by.at})
    detail = {"runs": len(old), "first": old[0].id, "last": old[-1].id}
    _record(tx, "runs.pruned", dag.name, dag.team_id, by, detail)


def _record(tx: Transaction, action: str, object_: str, team_id: str, by: By, detail: dict[str, Any]) -> None:
    sql_audit.record(
        tx,
        at=by.at,
        actor=by.actor,
        address=by.address,
        action=action,
        object=object_,
        team_id=team_id,
        detail=detail or None,
    )
