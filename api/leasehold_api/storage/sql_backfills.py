"""Backfills on SQLite and PostgreSQL: a row that says how far it is, so that any process goes on with it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, text

from leasehold_api import clock
from leasehold_api.acting import By, Slice
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.dags.schema import with_defaults
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.runs.catalog import NewRun
from leasehold_api.schedules import backfills as rules
from leasehold_api.schedules import times
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_flow import settle
from leasehold_api.storage.sql_making_runs import make_run
from leasehold_api.storage.sql_runs import cancel_run
from leasehold_api.storage.tables import backfills, dag_versions, dags, schedules
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import RunState
from leasehold_protocol.v1.schedules import Backfill, BackfillPlan, BackfillRequest, BackfillState, Schedule

_AT_A_TIME = 500

_SCHEDULE = select(schedules, dags.c.name).join(dags, dags.c.id == schedules.c.dag_id)

_EXISTING = text("""
    SELECT id, logical_date, state FROM runs WHERE dag_id = :dag AND logical_date IN :dates ORDER BY id
""").bindparams(bindparam("dates", expanding=True))

_DUE = "SELECT * FROM backfills WHERE due_at <= :now AND state = 'running' ORDER BY due_at LIMIT :most {lock}"

_MOVE_ON = text("""
    UPDATE backfills SET begun = :begun, due_at = NULL, state = :state, ended_at = :ended
     WHERE id = :id AND begun = :seen
""")

_OPEN = text("SELECT count(*) FROM runs WHERE backfill_id = :id AND state IN ('queued', 'running')")
_OPEN_RUNS = text("SELECT id FROM runs WHERE backfill_id = :id AND state IN ('queued', 'running') ORDER BY id")
_STATES = text("SELECT state, count(*) AS number FROM runs WHERE backfill_id = :id GROUP BY state")
_GOES_ON = text("SELECT id FROM backfills WHERE dag_id = :dag AND state = 'running'")
_CANCEL = text("""
    UPDATE backfills SET state = 'cancelled', ended_at = :now, due_at = NULL
     WHERE id = :id AND team_id = :team AND state = 'running'
    RETURNING id
""")

_BACKFILLS = select(backfills, dags.c.name.label("dag")).join(dags, dags.c.id == backfills.c.dag_id)


class SqlBackfills:
    """Implements ``leasehold_api.schedules.catalog.BackfillStore``."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    async def plan(self, team_id: str, dag: str, wanted: BackfillRequest) -> BackfillPlan:
        """Return what a backfill would do; see the port."""
        return await self._database.read(lambda connection: _plan(connection, team_id, dag, wanted)[1])

    async def begin(self, team_id: str, dag: str, wanted: BackfillRequest, *, by: By) -> Backfill:
        """Begin a backfill; see the port."""
        return await self._database.write(lambda tx: _begin(tx, team_id, dag, wanted, by))

    async def get(self, team_id: str, backfill: str) -> Backfill:
        """Return one; see the port."""
        return await self._database.read(lambda connection: _get(connection, team_id, backfill))

    async def list(self, team_id: str, which: Slice) -> list[Backfill]:
        """Return the team's backfills; see the port."""
        query = _BACKFILLS.where(backfills.c.team_id == team_id).order_by(backfills.c.id.desc()).limit(which.limit)
        if which.after is not None:
            query = query.where(backfills.c.id < which.after)
        return await self._database.read(lambda c: [_shown(c, row) for row in c.execute(query).all()])

    async def cancel(self, team_id: str, backfill: str, *, by: By) -> Backfill:
        """Cancel one; see the port."""
        return await self._database.write(lambda tx: _cancel(tx, self._plans, team_id, backfill, by))


def begin_more(tx: Transaction, plans: Plans, *, now: float, most: int) -> int:
    """Begin runs of backfills that have room for more; return how many backfills that were."""
    lock = "FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    due = tx.run(text(_DUE.format(lock=lock)), {"now": now, "most": most}).all()
    for row in due:
        _begin_next(tx, plans, row, now)
    return len(due)


def _begin_next(tx: Transaction, plans: Plans, row: Row[Any], now: float) -> None:
    dates: list[float] = json.loads(row.dates)
    active = tx.run(_OPEN, {"id": row.id}).scalar_one()
    next_ones = dates[row.begun : row.begun + max(row.max_active - active, 0)]
    for date in next_ones:
        _make(tx, plans, row, date, now)
    is_over = row.begun + len(next_ones) == len(dates) and active + len(next_ones) == 0
    state = BackfillState.COMPLETED if is_over else BackfillState.RUNNING
    moved = {"id": row.id, "seen": row.begun, "begun": row.begun + len(next_ones)}
    tx.run(_MOVE_ON, {**moved, "state": state.value, "ended": now if is_over else None})


def _make(tx: Transaction, plans: Plans, row: Row[Any], date: float, now: float) -> None:
    newest = (
        select(dags.c.name, dag_versions.c.id, schedules.c.schedule, schedules.c.anchor_at)
        .join(dag_versions, (dag_versions.c.dag_id == dags.c.id) & (dag_versions.c.version == dags.c.version))
        .join(schedules, schedules.c.dag_id == dags.c.id)
        .where(dags.c.id == row.dag_id)
    )
    dag = tx.run(newest).one()
    plan = plans.get(tx.connection, dag.id)
    schedule = None if dag.schedule is None else Schedule.model_validate_json(dag.schedule)
    goes_by_time = schedule is not None and schedule.goes_by_time
    new = NewRun(
        id=clock.new_id("run"),
        team_id=row.team_id,
        dag=dag.name,
        params=with_defaults(plan.manifest.params_schema, {}),
        logical_date=date,
        trigger="backfill",
        created_by=row.created_by,
        idempotency_key=f"{row.id}:{date!r}",
        data_interval=times.interval(schedule, at=date) if schedule and goes_by_time else None,
        backfill=row.id,
    )
    make_run(tx, plan, new, dag_id=row.dag_id, settle=settle, now=now)


def _plan(connection: Connection, team_id: str, dag: str, wanted: BackfillRequest) -> tuple[str, BackfillPlan]:
    row = connection.execute(_SCHEDULE.where(dags.c.team_id == team_id, dags.c.name == dag)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no DAG {dag!r} in this team; deploy it first: leasehold deploy FILE")
    schedule = None if row.schedule is None else Schedule.model_validate_json(row.schedule)
    dates = rules.dates(schedule, wanted, anchor=row.anchor_at)
    existing: dict[float, tuple[str, RunState]] = {}
    for start in range(0, len(dates), _AT_A_TIME):
        parameters = {"dag": row.dag_id, "dates": dates[start : start + _AT_A_TIME]}
        for run in connection.execute(_EXISTING, parameters):
            existing[run.logical_date] = (run.id, RunState(run.state))
    planned = rules.planned(dates, existing, wanted.reprocess)
    return row.dag_id, BackfillPlan(dag=dag, dates=planned, will_run=sum(each.will_run for each in planned))


def _begin(tx: Transaction, team_id: str, dag: str, wanted: BackfillRequest, by: By) -> Backfill:
    dag_id, plan = _plan(tx.connection, team_id, dag, wanted)
    if (other := tx.run(_GOES_ON, {"dag": dag_id}).scalars().first()) is not None:
        raise ConflictError(f"a backfill of this DAG goes on: wait for it, or leasehold backfills cancel {other}")
    dates = [each.logical_date.timestamp() for each in plan.dates if each.will_run]
    if not dates:
        raise ConflictError("there is nothing to do: every date has its run; see --reprocess")
    new = clock.new_id("bf")
    tx.run(
        backfills.insert().values(
            id=new,
            team_id=team_id,
            dag_id=dag_id,
            from_at=wanted.from_.timestamp(),
            to_at=wanted.to.timestamp(),
            reprocess=wanted.reprocess.value,
            max_active=wanted.max_active,
            state=BackfillState.RUNNING.value,
            dates=json.dumps(dates),
            begun=0,
            due_at=by.at,
            created_at=by.at,
            created_by=by.actor,
        )
    )
    _record(tx, "backfill.begun", new, team_id, by, {"dag": dag, "runs": len(dates)})
    tx.signal(Signal(Topic.TIMER, ""))
    return _get(tx.connection, team_id, new)


def _cancel(tx: Transaction, plans: Plans, team_id: str, backfill: str, by: By) -> Backfill:
    if tx.run(_CANCEL, {"id": backfill, "team": team_id, "now": by.at}).one_or_none() is None:
        found = _get(tx.connection, team_id, backfill)
        raise ConflictError(f"the backfill is over ({found.state}): there is nothing to cancel")
    for run in tx.run(_OPEN_RUNS, {"id": backfill}).scalars().all():
        cancel_run(tx, plans, team_id, run, f"its backfill was cancelled by {by.actor}", by)
    _record(tx, "backfill.cancelled", backfill, team_id, by, {})
    return _get(tx.connection, team_id, backfill)


def _record(tx: Transaction, action: str, backfill: str, team_id: str, by: By, detail: dict[str, Any]) -> None:
    sql_audit.record(
        tx,
        at=by.at,
        actor=by.actor,
        address=by.address,
        action=action,
        object=backfill,
        team_id=team_id,
        detail=detail,
    )


def _get(connection: Connection, team_id: str, backfill: str) -> Backfill:
    row = connection.execute(_BACKFILLS.where(backfills.c.id == backfill, backfills.c.team_id == team_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no backfill {backfill!r} in this team: leasehold backfills list")
    return _shown(connection, row)


def _shown(connection: Connection, row: Row[Any]) -> Backfill:
    states = {RunState(each.state): each.number for each in connection.execute(_STATES, {"id": row.id})}
    return Backfill.model_validate(
        {
            "backfill": row.id,
            "dag": row.dag,
            "from": instant(row.from_at),
            "to": instant(row.to_at),
            "reprocess": row.reprocess,
            "max_active": row.max_active,
            "state": row.state,
            "total": len(json.loads(row.dates)),
            "active": states.get(RunState.RUNNING, 0),
            "succeeded": states.get(RunState.SUCCESS, 0),
            "failed": states.get(RunState.FAILED, 0) + states.get(RunState.CANCELLED, 0),
            "created_at": instant(row.created_at),
            "created_by": row.created_by,
            "ended_at": instant_or_none(row.ended_at),
        }
    )
