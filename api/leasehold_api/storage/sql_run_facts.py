"""What tasks ask of runs, of task instances and of DAGs, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from leasehold_api.callers import TaskCaller
from leasehold_api.errors import LeaseLostError, NotFoundError
from leasehold_api.runs.facts import PreviousAsked, RunsAsked, TasksAsked, require_readable
from leasehold_api.storage import run_fact_rows as rows
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.tables import dags, runs, task_instances
from leasehold_protocol.v1.task_runs import (
    MOST_TASK_INSTANCES,
    DagFacts,
    TaskInstanceFacts,
    TaskInstanceList,
    TaskRun,
)

T = TypeVar("T")

_LEASE = select(runs.c.logical_date).select_from(task_instances).join(runs, runs.c.id == task_instances.c.run_id)


class SqlRunFacts:
    """The reading half of ``leasehold_api.runs.facts.RunFactsStore``."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    async def run(self, reader: TaskCaller, run: str) -> TaskRun:
        """Return a run with its parameters; see the port."""

        def query(connection: Connection, _: float) -> TaskRun:
            row = connection.execute(rows.RUNS.where(runs.c.id == run, _mine(reader))).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no run {run!r} in this team")
            require_readable(reader, row.dag)
            return rows.run(row, with_params=True)

        return await self._fenced(reader, query)

    async def previous_run(self, reader: TaskCaller, asked: PreviousAsked) -> TaskRun | None:
        """Return the newest run before a moment; see the port."""

        def query(connection: Connection, own_date: float) -> TaskRun | None:
            dag = _readable(reader, asked.dag)
            statement = _newest(rows.RUNS, reader, dag, _moment(asked.before, own_date))
            if asked.states:
                statement = statement.where(runs.c.state.in_(asked.states))
            row = connection.execute(statement.limit(1)).one_or_none()
            return None if row is None else rows.run(row)

        return await self._fenced(reader, query)

    async def count_runs(self, reader: TaskCaller, asked: RunsAsked) -> int:
        """Return how many runs there are; see the port."""

        def query(connection: Connection, _: float) -> int:
            dag = _readable(reader, asked.dag)
            statement = select(func.count()).select_from(runs).join(dags, dags.c.id == runs.c.dag_id)
            conditions = _of_runs(asked.runs, asked.logical_dates)
            if asked.states:
                conditions.append(runs.c.state.in_([state.value for state in asked.states]))
            return connection.execute(statement.where(_mine(reader), dags.c.name == dag, *conditions)).scalar_one()

        return await self._fenced(reader, query)

    async def task_instances(self, reader: TaskCaller, asked: TasksAsked) -> TaskInstanceList:
        """Return task instances; see the port."""

        def query(connection: Connection, _: float) -> TaskInstanceList:
            statement = (
                rows.TASK_INSTANCES.where(*_of_tasks(connection, reader, asked))
                .order_by(runs.c.id, task_instances.c.position, task_instances.c.map_index)
                .limit(MOST_TASK_INSTANCES + 1)
            )
            found = connection.execute(statement).all()
            items = [rows.task_instance(connection, self._plans, row) for row in found[:MOST_TASK_INSTANCES]]
            return TaskInstanceList(items=items, more=len(found) > MOST_TASK_INSTANCES)

        return await self._fenced(reader, query)

    async def count_task_instances(self, reader: TaskCaller, asked: TasksAsked) -> int:
        """Return how many task instances there are; see the port."""

        def query(connection: Connection, _: float) -> int:
            statement = (
                select(func.count())
                .select_from(task_instances)
                .join(runs, runs.c.id == task_instances.c.run_id)
                .join(dags, dags.c.id == runs.c.dag_id)
            )
            return connection.execute(statement.where(*_of_tasks(connection, reader, asked))).scalar_one()

        return await self._fenced(reader, query)

    async def previous_task_instance(
        self, reader: TaskCaller, asked: PreviousAsked, *, task: str, map_index: int
    ) -> TaskInstanceFacts | None:
        """Return the same task's instance in the newest run before; see the port."""

        def query(connection: Connection, own_date: float) -> TaskInstanceFacts | None:
            dag = _readable(reader, asked.dag)
            statement = _newest(rows.TASK_INSTANCES, reader, dag, _moment(asked.before, own_date))
            statement = statement.where(task_instances.c.task == task, task_instances.c.map_index == map_index)
            if asked.states:
                statement = statement.where(task_instances.c.state.in_(asked.states))
            row = connection.execute(statement.limit(1)).one_or_none()
            return None if row is None else rows.task_instance(connection, self._plans, row)

        return await self._fenced(reader, query)

    async def dag(self, reader: TaskCaller, dag: str) -> DagFacts:
        """Return a DAG's newest version; see the port."""

        def query(connection: Connection, _: float) -> DagFacts:
            name = _readable(reader, dag)
            row = connection.execute(
                rows.NEWEST_VERSIONS.where(dags.c.team_id == reader.team_id, dags.c.name == name)
            ).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no DAG {name!r} in this team")
            return rows.dag(cast("Row[Any]", row))

        return await self._fenced(reader, query)

    async def _fenced(self, reader: TaskCaller, query: Callable[[Connection, float], T]) -> T:
        """Answer in the transaction that sees the reader's lease live: whoever lost it learns nothing else.

        ``query`` gets the logical date of the reader's run.
        """

        def fenced(connection: Connection) -> T:
            own = connection.execute(
                _LEASE.where(
                    task_instances.c.id == reader.task_instance,
                    task_instances.c.epoch == reader.epoch,
                    task_instances.c.agent_id == reader.agent_id,
                    task_instances.c.state == "running",
                )
            ).scalar_one_or_none()
            if own is None:
                raise LeaseLostError("the lease of the task that asks is over; stop the attempt")
            return query(connection, own)

        return await self._database.read(fenced)


def _readable(reader: TaskCaller, dag: str | None) -> str:
    name = dag or reader.dag
    require_readable(reader, name)
    return name


def _mine(reader: TaskCaller) -> ColumnElement[bool]:
    return runs.c.team_id == reader.team_id


def _moment(before: datetime | None, own_date: float) -> float:
    return own_date if before is None else before.timestamp()


def _newest(statement: Select[Any], reader: TaskCaller, dag: str, before: float) -> Select[Any]:
    return statement.where(
        _mine(reader), dags.c.name == dag, runs.c.logical_date < before, runs.c.id != reader.run
    ).order_by(runs.c.logical_date.desc(), runs.c.id.desc())


def _of_runs(ids: list[str], logical_dates: list[datetime]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if ids:
        conditions.append(runs.c.id.in_(ids))
    if logical_dates:
        # What is stored is finer than the microseconds that a task is told.
        at = [date.timestamp() for date in logical_dates]
        conditions.append(or_(*(runs.c.logical_date.between(each - 1e-6, each + 1e-6) for each in at)))
    return conditions


def _of_tasks(connection: Connection, reader: TaskCaller, asked: TasksAsked) -> list[ColumnElement[bool]]:
    conditions = [_mine(reader), *_of_runs(asked.runs, asked.logical_dates)]
    if asked.dag is None and asked.runs:
        for row in _dags_of(connection, reader, asked.runs):
            require_readable(reader, row.name)
    elif asked.dag is None and not asked.logical_dates:
        conditions.append(runs.c.id == reader.run)
    else:
        conditions.append(dags.c.name == _readable(reader, asked.dag))
    if asked.tasks:
        conditions.append(task_instances.c.task.in_(asked.tasks))
    if asked.states:
        conditions.append(task_instances.c.state.in_([state.value for state in asked.states]))
    if asked.map_index is not None:
        conditions.append(task_instances.c.map_index == asked.map_index)
    return conditions


def _dags_of(connection: Connection, reader: TaskCaller, ids: list[str]) -> list[Row[Any]]:
    statement = select(dags.c.name).distinct().join(runs, runs.c.dag_id == dags.c.id)
    return list(connection.execute(statement.where(_mine(reader), runs.c.id.in_(ids))).all())
