"""What tasks read of each other's XComs, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, text

from leasehold_api.callers import TaskCaller
from leasehold_api.errors import ApiError, LeaseLostError, NotFoundError
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_gone_xcoms import refuse_if_gone, said_of_earlier
from leasehold_api.telemetry.xcoms import PREVIOUS, Wanted, XCom, XComSlice
from leasehold_protocol.v1.problems import ProblemCode

SMALL_BYTES = 16 * 1024
"""The longest value that comes with a slice: with the most of them a slice has a megabyte."""

_LIVE = text("""
    SELECT r.id AS run, r.dag_id, r.logical_date
      FROM task_instances t JOIN runs r ON r.id = t.run_id
     WHERE t.id = :id AND t.epoch = :epoch AND t.agent_id = :agent AND t.state = 'running'
""")

_SAME_DAG = text("SELECT id FROM runs WHERE id = :run AND dag_id = :dag")

_PREVIOUS = text("""
    SELECT id FROM runs WHERE dag_id = :dag AND (logical_date, id) < (:date, :run)
     ORDER BY logical_date DESC, id DESC LIMIT 1
""")

# Of other runs only what succeeded: there nothing waits until a retry has made its value good.
_STANDING = """
      FROM task_instances t JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch
     WHERE t.run_id = :run AND t.task = :task AND x.key = :key AND (t.run_id = :own OR t.state = 'success')
"""

_ONE = text(f"""
    SELECT t.run_id, t.task, t.map_index, x.key, x.size, x.value, x.object {_STANDING} AND t.map_index = :map_index
""")

_NEWEST = text("""
    SELECT t.run_id, t.task, t.map_index, x.key, x.size, x.value, x.object
      FROM runs r
      JOIN task_instances t ON t.run_id = r.id AND t.task = :task AND t.map_index = :map_index
      JOIN xcoms x ON x.task_instance_id = t.id AND x.epoch = t.epoch AND x.key = :key
     WHERE r.dag_id = :dag AND (r.logical_date, r.id) <= (:date, :own)
       AND ((r.id = :own AND :reads_own = 1) OR (r.id <> :own AND t.state = 'success'))
     ORDER BY r.logical_date DESC, r.id DESC LIMIT 1
""")

_COUNT = text(f"SELECT count(*) {_STANDING}")

_SLICE = text(f"""
    SELECT t.run_id, t.task, t.map_index, x.key, x.size, x.object, count(*) OVER () AS total,
           CASE WHEN x.size <= {SMALL_BYTES} THEN x.value END AS value
      {_STANDING} ORDER BY t.map_index LIMIT :limit OFFSET :offset
""")

_FILE = text("""
    SELECT 1 FROM xcom_files f
      JOIN xcoms x ON x.task_instance_id = f.task_instance_id AND x.key = f.key AND x.epoch = f.epoch
      JOIN task_instances t ON t.id = x.task_instance_id AND t.epoch = x.epoch
      JOIN runs r ON r.id = t.run_id
     WHERE f.sha256 = :sha256 AND r.dag_id = :dag
       AND ((t.run_id = :own AND t.task IN :tasks) OR (t.run_id <> :own AND t.state = 'success'))
     LIMIT 1
""").bindparams(bindparam("tasks", expanding=True))


class SqlXComs:
    """Implements ``leasehold_api.telemetry.xcoms.XComReads``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def one(self, reader: TaskCaller, wanted: Wanted, *, map_index: int, include_prior: bool) -> XCom:
        """Return one; see the port."""

        def query(connection: Connection) -> XCom:
            at = _reader(connection, reader)
            parameters: dict[str, Any] = {"task": wanted.task, "key": wanted.key, "map_index": map_index, "own": at.run}
            if include_prior and wanted.run is None:
                # Of its own run only what it waits for: elsewhere nothing is missing, it is only not there yet.
                sees = {"dag": at.dag_id, "date": at.logical_date, "reads_own": int(_waits_for(reader, wanted.task))}
                row = connection.execute(_NEWEST, parameters | sees).one_or_none()
            else:
                parameters["run"] = _run(connection, reader, at, wanted)
                row = connection.execute(_ONE, parameters).one_or_none()
            if row is None and (run := parameters.get("run")) is not None:
                refuse_if_gone(connection, run=run, task=wanted.task, map_index=map_index, own=run == at.run)
            if row is None:
                earlier = said_of_earlier(connection, at.dag_id) if include_prior else ""
                raise NotFoundError(_missing(wanted, map_index, include_prior=include_prior) + earlier)
            return _xcom(row)

        return await self._database.read(query)

    async def slice(self, reader: TaskCaller, wanted: Wanted, *, offset: int, limit: int) -> XComSlice:
        """Return some of a mapped task's values; see the port."""

        def query(connection: Connection) -> XComSlice:
            at = _reader(connection, reader)
            run = _run(connection, reader, at, wanted)
            refuse_if_gone(connection, run=run, task=wanted.task, map_index=None, own=run == at.run)
            parameters = {"run": run, "own": at.run, "task": wanted.task, "key": wanted.key}
            page = {"limit": limit, "offset": offset}
            rows = connection.execute(_SLICE, parameters | page).all() if limit else []
            count = rows[0].total if rows else connection.execute(_COUNT, parameters).scalar_one()
            return XComSlice(items=[_xcom(row) for row in rows], count=count)

        return await self._database.read(query)

    async def may_read_file(self, reader: TaskCaller, sha256: str) -> None:
        """Make sure that the reader may have a file; see the port."""

        def query(connection: Connection) -> bool:
            at = _reader(connection, reader)
            parameters = {"sha256": sha256, "dag": at.dag_id, "own": at.run, "tasks": sorted(_readable(reader))}
            return connection.execute(_FILE, parameters).first() is not None

        if not await self._database.read(query):
            raise NotFoundError(f"no value that task {reader.task} may read names the file {sha256}")


def _reader(connection: Connection, reader: TaskCaller) -> Row[Any]:
    parameters = {"id": reader.task_instance, "epoch": reader.epoch, "agent": reader.agent_id}
    row = connection.execute(_LIVE, parameters).one_or_none()
    if row is None:
        raise LeaseLostError("the lease of the task that asks is over; stop the attempt")
    return row


def _run(connection: Connection, reader: TaskCaller, at: Row[Any], wanted: Wanted) -> str:
    """Return the run whose values are meant."""
    if wanted.run == PREVIOUS:
        before = {"dag": at.dag_id, "date": at.logical_date, "run": at.run}
        run = connection.execute(_PREVIOUS, before).scalar_one_or_none()
        if run is None:
            raise NotFoundError(f"DAG {reader.dag} has no run before {reader.run}: give a default")
        return str(run)
    if wanted.run in (None, at.run):
        if not _waits_for(reader, wanted.task):
            raise ApiError(
                f"task {reader.task} does not depend on {wanted.task}; "
                f"use its result as an argument, or write {wanted.task} >> {reader.task}",
                code=ProblemCode.NOT_DECLARED,
            )
        return str(at.run)
    if connection.execute(_SAME_DAG, {"run": wanted.run, "dag": at.dag_id}).one_or_none() is None:
        raise ApiError(
            f"{wanted.run} is no run of DAG {reader.dag}: a task may read other runs of its own DAG only",
            code=ProblemCode.NOT_DECLARED,
        )
    return str(wanted.run)


def _readable(reader: TaskCaller) -> set[str]:
    """Return the tasks of its run whose values a task may read."""
    scopes = (scope.split(":") for scope in reader.scopes)
    return {reader.task, *(parts[1] for parts in scopes if parts[0] == "xcom" and parts[-1] == "read")}


def _waits_for(reader: TaskCaller, task: str) -> bool:
    return task in _readable(reader)


def _missing(wanted: Wanted, map_index: int, *, include_prior: bool) -> str:
    where = "this run, and of the earlier ones," if include_prior else f"run {wanted.run}" if wanted.run else "this run"
    which = "" if map_index == -1 else f" with map index {map_index}"
    return f"task {wanted.task}{which} of {where} has no XCom {wanted.key!r}"


def _xcom(row: Row[Any]) -> XCom:
    return XCom(
        run=row.run_id,
        task=row.task,
        map_index=row.map_index,
        key=row.key,
        size=row.size,
        value=row.value,
        upload=row.object,
    )
