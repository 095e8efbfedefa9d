"""Logs, XComs and metrics of runs that stay, deleted behind a watermark, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text

from leasehold_api.acting import Team
from leasehold_api.clock import instant_or_none
from leasehold_api.errors import NotFoundError
from leasehold_api.runs.thinning import DAY_S, Batch, KeptApart, Piece, Place
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_retention import BY_POLICY, note_blobs
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import attempt_id, parse_attempt_id
from leasehold_protocol.v1.retention import Thinned, ThinnedDag

_DAG_IDS = text("SELECT id FROM dags ORDER BY id")
_DAGS_OF_TEAM = text("SELECT id, name FROM dags WHERE team_id = :team ORDER BY id")

# Later it is among the older ones, and goes then: the watermark waits for it.
_NEWEST = text("SELECT id, ended_at FROM runs WHERE dag_id = :dag ORDER BY logical_date DESC, id DESC LIMIT 1")
_WATERMARK = text("SELECT ended_at, run_id FROM thinned WHERE dag_id = :dag AND what = :what")
_BEHIND = """
      FROM runs
     WHERE dag_id = :dag AND ended_at IS NOT NULL AND ended_at <= :before AND ended_at >= :after
       AND (ended_at > :after OR id > :after_run)
       AND id <> :newest AND (ended_at < :newest_ended OR id < :newest)
       AND deleted_at IS NULL
"""
_NEXT = text(f"SELECT id, ended_at {_BEHIND} ORDER BY ended_at, id LIMIT :most")
_COUNT = text(f"SELECT count(*) AS runs, min(ended_at) AS oldest {_BEHIND}")

# By the unique index, however many a run has.
_INSTANCES = text("""
    SELECT id, task, map_index FROM task_instances
     WHERE run_id = :run AND (task, map_index) > (:task, :map_index) ORDER BY task, map_index LIMIT :most
""")
# In one statement with the run's end: an attempt of a run that was opened again meanwhile may be writing.
_ATTEMPTS = text("""
    SELECT a.task_instance_id, a.epoch
      FROM attempts a JOIN task_instances t ON t.id = a.task_instance_id JOIN runs r ON r.id = t.run_id
     WHERE a.task_instance_id IN :ids AND a.log_deleted_at IS NULL
       AND r.ended_at IS NOT NULL AND r.ended_at <= :ended_at
""").bindparams(bindparam("ids", expanding=True))

_LOG_GONE = text("""
    UPDATE attempts SET log_deleted_at = :now
     WHERE task_instance_id = :id AND epoch = :epoch AND log_deleted_at IS NULL
""")
# The row's lock keeps a retry out until it can see what is gone.
_ROWS_GONE = {
    what: text(f"""
        UPDATE runs SET {what.value}_deleted_at = :now
         WHERE id IN :runs AND ended_at IS NOT NULL AND ended_at <= :ended_at RETURNING id, team_id
    """).bindparams(bindparam("runs", expanding=True))
    for what in (Thinned.XCOMS, Thinned.METRICS)
}
_DELETE = {
    what: [
        text(f"DELETE FROM {table} WHERE task_instance_id IN :ids").bindparams(bindparam("ids", expanding=True))
        for table in tables
    ]
    for what, tables in {Thinned.XCOMS: ("xcom_files", "xcoms"), Thinned.METRICS: ("metric_points",)}.items()
}

# Several API processes may come to the end of a batch: one of them moves the watermark, and it moves forward only.
_PASS_BY = text("""
    INSERT INTO thinned (dag_id, what, ended_at, run_id) VALUES (:dag, :what, :ended_at, :run)
    ON CONFLICT (dag_id, what) DO UPDATE SET ended_at = excluded.ended_at, run_id = excluded.run_id
     WHERE thinned.ended_at < excluded.ended_at
        OR (thinned.ended_at = excluded.ended_at AND thinned.run_id < excluded.run_id)
    RETURNING dag_id
""")
_DAG = text("SELECT name, team_id FROM dags WHERE id = :dag")

_NEVER = 1e300


class SqlThinning:
    """Implements ``leasehold_api.runs.thinning.ThinningStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, what: Thinned, *, ended_before: float) -> list[str]:
        """Return DAGs that have something to delete; see the port."""

        def query(connection: Connection) -> list[str]:
            ids = connection.execute(_DAG_IDS).scalars().all()
            return [each for each in ids if _next(connection, each, what, ended_before=ended_before, most=1)]

        return await self._database.read(query)

    async def next_batch(self, dag_id: str, what: Thinned, *, ended_before: float, most: int) -> Batch | None:
        """Return the runs that come next; see the port."""

        def query(connection: Connection) -> Batch | None:
            rows = _next(connection, dag_id, what, ended_before=ended_before, most=most)
            if not rows:
                return None
            return Batch(dag_id=dag_id, what=what, runs=[row.id for row in rows], ended_at=rows[-1].ended_at)

        return await self._database.read(query)

    async def next_piece(self, batch: Batch, *, after: Place, most: int) -> Piece | None:
        """Return the next task instances of a batch; see the port."""

        def query(connection: Connection) -> Piece | None:
            found: dict[str, list[str]] = {}
            place, left = after, most
            while left > 0 and place.run < len(batch.runs):
                run = batch.runs[place.run]
                key = {"run": run, "task": place.task, "map_index": place.map_index, "most": left}
                rows = connection.execute(_INSTANCES, key).all()
                if rows:
                    found[run] = [row.id for row in rows]
                if len(rows) < left:
                    place = Place(run=place.run + 1)
                else:
                    place = Place(run=place.run, task=rows[-1].task, map_index=rows[-1].map_index)
                left -= len(rows)
            if not found:
                return None
            ids = [each for instances in found.values() for each in instances]
            logs = _logs(connection, batch, ids) if batch.what is Thinned.LOGS else []
            return Piece(instances=found, attempts=logs, end=place)

        return await self._database.read(query)

    async def thin(self, batch: Batch, piece: Piece, *, now: float) -> None:
        """Delete rows, or note that logs are gone; see the port."""

        def operation(tx: Transaction) -> None:
            if batch.what is Thinned.LOGS:
                _logs_gone(tx, piece.attempts, now=now)
            else:
                _rows_gone(tx, batch, piece, now=now)

        await self._database.write(operation)

    async def pass_by(self, batch: Batch, *, now: float) -> None:
        """Move the watermark; see the port."""
        first, last = batch.runs[0], batch.runs[-1]
        parameters = {"dag": batch.dag_id, "what": batch.what.value, "ended_at": batch.ended_at, "run": last}

        def operation(tx: Transaction) -> None:
            if tx.run(_PASS_BY, parameters).first() is None:
                return
            dag = tx.run(_DAG, {"dag": batch.dag_id}).one()
            sql_audit.record(
                tx,
                at=now,
                actor=BY_POLICY,
                action="runs.thinned",
                object=dag.name,
                team_id=dag.team_id,
                detail={"what": batch.what.value, "runs": len(batch.runs), "first": first, "last": last},
            )

        await self._database.write(operation)

    async def outlook(self, team: Team, dag: str | None, kept: KeptApart, *, now: float) -> list[ThinnedDag]:
        """Return what goes next; see the port."""

        def query(connection: Connection) -> list[ThinnedDag]:
            rows = connection.execute(_DAGS_OF_TEAM, {"team": team.id}).all()
            dags = [row for row in rows if dag in (None, row.name)]
            if dag is not None and not dags:
                raise NotFoundError(f"there is no DAG {dag!r} in this team; list them: leasehold dags list")
            return [
                ThinnedDag(dag=row.name, what=what, days=days, runs=found.runs, oldest=instant_or_none(found.oldest))
                for row in dags
                for what, days in kept.days().items()
                if (found := _count(connection, row.id, what, ended_before=now - days * DAY_S)).runs
            ]

        return await self._database.read(query)


def _next(connection: Connection, dag_id: str, what: Thinned, *, ended_before: float, most: int) -> Sequence[Row[Any]]:
    parameters = _between(connection, dag_id, what, ended_before)
    return connection.execute(_NEXT, parameters | {"most": most}).all()


def _count(connection: Connection, dag_id: str, what: Thinned, *, ended_before: float) -> Row[Any]:
    return connection.execute(_COUNT, _between(connection, dag_id, what, ended_before)).one()


def _between(connection: Connection, dag_id: str, what: Thinned, ended_before: float) -> dict[str, Any]:
    """Return where what is due lies: behind the watermark, before the newest run."""
    watermark = connection.execute(_WATERMARK, {"dag": dag_id, "what": what.value}).first()
    newest = connection.execute(_NEWEST, {"dag": dag_id}).first()
    return {
        "dag": dag_id,
        "before": ended_before,
        "after": watermark.ended_at if watermark else 0.0,
        "after_run": watermark.run_id if watermark else "",
        "newest": newest.id if newest else "",
        "newest_ended": _NEVER if newest is None or newest.ended_at is None else newest.ended_at,
    }


def _logs(connection: Connection, batch: Batch, instances: Sequence[str]) -> list[str]:
    rows = connection.execute(_ATTEMPTS, {"ids": instances, "ended_at": batch.ended_at})
    return [attempt_id(row.task_instance_id, row.epoch) for row in rows]


def _logs_gone(tx: Transaction, attempts: Sequence[str], *, now: float) -> None:
    keys = [parse_attempt_id(attempt) for attempt in attempts]
    if keys:
        tx.run(_LOG_GONE, [{"id": instance, "epoch": epoch, "now": now} for instance, epoch in sorted(keys)])


def _rows_gone(tx: Transaction, batch: Batch, piece: Piece, *, now: float) -> None:
    parameters = {"runs": sorted(piece.instances), "ended_at": batch.ended_at, "now": now}
    still_ended = tx.run(_ROWS_GONE[batch.what], parameters).all()
    ids = [each for run in still_ended for each in piece.instances[run.id]]
    if not ids:
        return
    if batch.what is Thinned.XCOMS:
        note_blobs(tx, ids, team_id=still_ended[0].team_id, now=now)
    for statement in _DELETE[batch.what]:
        tx.run(statement, {"ids": ids})
