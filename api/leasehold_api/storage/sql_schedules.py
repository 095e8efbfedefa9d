"""Schedules on SQLite and PostgreSQL: declared by deploys, and begun when they are due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select, text

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.dags.schema import with_defaults
from leasehold_api.errors import NotFoundError
from leasehold_api.fault_points import reach
from leasehold_api.runs.catalog import NewRun
from leasehold_api.schedules import times
from leasehold_api.schedules.catalog import SCHEDULED_AT_ONCE
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_asset_arrivals, sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.schedule_rows import EARLIEST, standing
from leasehold_api.storage.sql_backfills import begin_more
from leasehold_api.storage.sql_flow import settle
from leasehold_api.storage.sql_making_runs import begin_queued, make_run, room
from leasehold_api.storage.sql_turns import let_go
from leasehold_api.storage.tables import dag_versions, dags, runs, schedules
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.runs import RunState
from leasehold_protocol.v1.schedules import Schedule, ScheduleStanding

MOST_AT_ONCE = 100
"""Schedules begun in one transaction."""

_DUE = """
    SELECT * FROM schedules WHERE due_at <= :now ORDER BY due_at LIMIT :most {lock}
"""

# Conditional on the due time that was seen: of two API processes, one begins the run.
_MOVE_ON = text("""
    UPDATE schedules SET next_at = :next, assets_at = :assets, due_at = :due, last_at = :last, waits = :waits
     WHERE dag_id = :dag AND due_at = :seen
""")

_NEXT_DEADLINE = text("""
    SELECT min(at) FROM (SELECT min(due_at) AS at FROM schedules WHERE due_at IS NOT NULL
        UNION ALL SELECT min(due_at) FROM backfills WHERE due_at IS NOT NULL) AS deadlines
""")

_IN_LINE = text("""
    SELECT count(*) FROM runs WHERE dag_id = :dag AND state = 'queued' AND "trigger" IN ('scheduled', 'asset')
""")

_PAUSE = text("""
    UPDATE schedules SET paused_at = COALESCE(paused_at, :now), paused_by = :by, paused_note = :note, due_at = NULL
     WHERE dag_id = (SELECT id FROM dags WHERE team_id = :team AND name = :dag)
    RETURNING *
""")

_UNPAUSE = text(f"""
    UPDATE schedules SET paused_at = NULL, paused_by = NULL, paused_note = NULL,
           due_at = CASE WHEN waits IS NULL THEN {EARLIEST} END
     WHERE dag_id = (SELECT id FROM dags WHERE team_id = :team AND name = :dag)
    RETURNING *
""")


class SqlSchedules:
    """Implements ``leasehold_api.schedules.catalog.ScheduleStore``."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    async def begin_due(self, *, now: float) -> int:
        """Begin what is due; see the port."""
        return await self._database.write(lambda tx: _begin_due(tx, self._plans, now))

    async def next_deadline(self) -> float | None:
        """Return the next deadline; see the port."""

        def query(connection: Connection) -> float | None:
            deadline: float | None = connection.execute(_NEXT_DEADLINE).scalar_one()
            return deadline

        return await self._database.read(query)

    async def pause(self, team_id: str, dag: str, *, note: str | None, by: By) -> ScheduleStanding:
        """Pause a DAG; see the port."""
        parameters = {"now": by.at, "by": by.actor, "note": note}
        detail = {} if note is None else {"note": note}
        return await self._change(_PAUSE, parameters, "dag.paused", team_id, dag, by, detail)

    async def unpause(self, team_id: str, dag: str, *, by: By) -> ScheduleStanding:
        """Unpause a DAG; see the port."""
        return await self._change(_UNPAUSE, {}, "dag.unpaused", team_id, dag, by, {})

    async def _change(
        self,
        statement: Any,
        parameters: dict[str, Any],
        action: str,
        team_id: str,
        dag: str,
        by: By,
        detail: dict[str, str],
    ) -> ScheduleStanding:
        def operation(tx: Transaction) -> ScheduleStanding:
            row = tx.run(statement, {**parameters, "team": team_id, "dag": dag}).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no DAG {dag!r} in this team: leasehold dags list")
            sql_audit.record(
                tx,
                at=by.at,
                actor=by.actor,
                address=by.address,
                action=action,
                object=dag,
                team_id=team_id,
                detail=detail,
            )
            tx.signal(Signal(Topic.TIMER, ""))
            return standing(row)

        return await self._database.write(operation)


def declare(tx: Transaction, *, team_id: str, dag_id: str, manifest: Manifest, now: float, paused: bool) -> None:
    """Let the schedule of a version that was just deployed take effect; the DAG's row is locked.

    One that stays as it was goes on undisturbed. What was due already, and not begun, is begun all the same.
    ``paused``: a DAG that is new waits to be unpaused.
    """
    declared = manifest.schedule
    encoded = None if declared is None else declared.model_dump_json(exclude_none=True)
    lock = " FOR UPDATE" if tx.dialect == "postgresql" else ""
    before = tx.run(text(f"SELECT * FROM schedules WHERE dag_id = :dag{lock}"), {"dag": dag_id}).one_or_none()
    limit = manifest.max_active_runs or (None if declared is None else SCHEDULED_AT_ONCE)
    if before is None:
        begins = {"paused_at": now, "paused_by": "the setting dags_start_paused"} if paused and declared else {}
        tx.run(schedules.insert().values(dag_id=dag_id, team_id=team_id, anchor_at=now, **begins))
    values: dict[str, Any] = {"max_active_runs": limit}
    if before is None or _said(before) != declared:
        is_due = before is not None and before.next_at is not None and before.next_at <= now
        last = before.last_at if before is not None else None
        values |= {"schedule": encoded, "anchor_at": now, "waits": None, "assets_at": None}
        if declared is None or (declared.assets is not None and not declared.goes_by_time):
            values["next_at"] = None
        elif not (is_due and not declared.once):
            values["next_at"] = times.first_time(declared, now=now, last=last)
        else:
            values["next_at"] = before.next_at if before is not None else None
        is_paused = paused if before is None else before.paused_at is not None
        values["due_at"] = None if is_paused else values["next_at"]
        sql_asset_arrivals.watch(tx, team_id=team_id, dag_id=dag_id, schedule=declared)
    tx.run(schedules.update().where(schedules.c.dag_id == dag_id).values(values))
    if before is not None and before.max_active_runs != limit:
        begin_queued(tx, dag_id, settle=settle, now=now)
        let_go(tx, dag_id)
    tx.signal(Signal(Topic.TIMER, ""))


def _said(row: Row[Any]) -> Schedule | None:
    return None if row.schedule is None else Schedule.model_validate_json(row.schedule)


def _begin_due(tx: Transaction, plans: Plans, now: float) -> int:
    lock = "FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    due = tx.run(text(_DUE.format(lock=lock)), {"now": now, "most": MOST_AT_ONCE}).all()
    for row in due:
        _begin(tx, plans, row, now)
    begun = len(due) + begin_more(tx, plans, now=now, most=MOST_AT_ONCE)
    if begun:
        reach("api.due.applied.before-commit")
    return begun


def _begin(tx: Transaction, plans: Plans, row: Row[Any], now: float) -> None:
    """Begin the run that is due by one schedule, whose row is locked, and work out when the next one is."""
    schedule = Schedule.model_validate_json(row.schedule)
    left = room(tx, row.dag_id)
    is_full = left is not None and left <= 0
    if is_full and tx.run(_IN_LINE, {"dag": row.dag_id}).scalar_one():
        _move_on(tx, row, _Next(row.next_at, row.assets_at, row.last_at), waits=_full(row))
        return
    on_assets = schedule.assets is not None and (not schedule.goes_by_time or _is_past(row.assets_at, now))
    at = max(now, float(row.assets_at or row.next_at)) if on_assets else _which(schedule, row, now)
    begun = _make(tx, plans, row, schedule, at=at, on_assets=on_assets, now=now)
    if on_assets and schedule.goes_by_time:
        moved = _Next(row.next_at, None, row.last_at)
    else:
        has_more = not (on_assets or schedule.once)
        next_at = times.next_time(schedule, after=at, anchor=row.anchor_at) if has_more else None
        moved = _Next(next_at, row.assets_at, at)
    holds_back = schedule.continuous or begun is RunState.QUEUED
    _move_on(tx, row, moved, waits=_full(row) if holds_back else None)


@dataclass(frozen=True, slots=True)
class _Next:
    """How a schedule goes on: its next time, since when its assets are there, and its last time."""

    next_at: float | None
    assets_at: float | None
    last_at: float | None

    @property
    def due_at(self) -> float | None:
        return min((at for at in (self.next_at, self.assets_at) if at is not None), default=None)


def _is_past(at: float | None, now: float) -> bool:
    return at is not None and at <= now


def _move_on(tx: Transaction, row: Row[Any], to: _Next, *, waits: str | None) -> None:
    moved = {"next": to.next_at, "assets": to.assets_at, "last": to.last_at, "waits": waits}
    due = to.due_at if waits is None else None
    tx.run(_MOVE_ON, {"dag": row.dag_id, "seen": row.due_at, "due": due, **moved})


def _full(row: Row[Any]) -> str:
    return f"{row.max_active_runs} of its runs go on, the most that max_active_runs lets"


def _which(schedule: Schedule, row: Row[Any], now: float) -> float:
    """Return the logical date of the run that is due: of several times that were missed the latest, or the first."""
    at = float(row.next_at)
    if schedule.continuous:
        return max(now, at)
    if schedule.catchup or schedule.once:
        return at
    second = times.next_time(schedule, after=at, anchor=row.anchor_at)
    if second is None or second > now:
        return at
    latest = times.last_time(schedule, until=now, anchor=row.anchor_at)
    return at if latest is None else max(at, latest)


def _make(
    tx: Transaction, plans: Plans, row: Row[Any], schedule: Schedule, *, at: float, on_assets: bool, now: float
) -> RunState | None:
    newest = (
        select(dags.c.name, dag_versions.c.id)
        .join(dag_versions, (dag_versions.c.dag_id == dags.c.id) & (dag_versions.c.version == dags.c.version))
        .where(dags.c.id == row.dag_id)
    )
    dag = tx.run(newest).one()
    key = f"{'assets' if on_assets and schedule.goes_by_time else 'schedule'}:{at!r}"
    if tx.run(select(runs.c.id).where(runs.c.dag_id == row.dag_id, runs.c.idempotency_key == key)).first():
        return None
    plan = plans.get(tx.connection, dag.id)
    new = NewRun(
        id=clock.new_id("run"),
        team_id=row.team_id,
        dag=dag.name,
        params=with_defaults(plan.manifest.params_schema, {}),
        logical_date=at,
        trigger="asset" if on_assets else "scheduled",
        created_by="schedule",
        idempotency_key=key,
        data_interval=times.interval(schedule, at=at) if schedule.goes_by_time and not on_assets else None,
    )
    state = make_run(tx, plan, new, dag_id=row.dag_id, settle=settle, now=now)
    if on_assets:
        sql_asset_arrivals.take(tx, dag_id=row.dag_id, run=new.id)
    sql_audit.record(
        tx,
        at=now,
        actor="schedule",
        address=None,
        action="run.triggered",
        object=new.id,
        team_id=row.team_id,
        detail={"dag": dag.name, "trigger": new.trigger, "version": dag.id},
    )
    return state
