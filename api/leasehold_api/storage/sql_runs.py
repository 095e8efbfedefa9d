"""Making and cancelling runs, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import bindparam, select, text

from leasehold_api.acting import By
from leasehold_api.dags.plan import Plan
from leasehold_api.errors import ApiError, ConflictError, NotFoundError
from leasehold_api.runs.catalog import NewRun
from leasehold_api.runs.flow import Upstream, state_after_upstream
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_admission import give_back_ended, hold_still, move_up
from leasehold_api.storage.sql_flow import settle, start
from leasehold_api.storage.sql_lines import lines_for
from leasehold_api.storage.sql_placing import place
from leasehold_api.storage.sql_run_views import SqlRunViews
from leasehold_api.storage.sql_waits import close
from leasehold_api.storage.tables import dag_versions, dags, runs, task_instances
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.runs import RunState, TaskState

_QUEUED = text("""
    SELECT (SELECT count(*) FROM task_instances t JOIN placements p ON p.id = t.placement_id
             WHERE p.team_id = :team AND t.state = 'queued' AND t.blocked_on IS NULL)
         + (SELECT count(*) FROM task_instances t JOIN lines n ON n.id = t.blocked_on
             WHERE n.team_id = :team AND t.state = 'queued' AND t.blocked_on IS NOT NULL)
""")

_CANCEL_RUN = text("""
    UPDATE runs SET cancel_reason = :reason WHERE id = :run AND team_id = :team AND state = 'running'
    RETURNING dag_version_id
""")

_CANCEL_WAITING = text("""
    UPDATE task_instances SET state = 'cancelled', reason = :reason, ended_at = :now, due_at = NULL, blocked_on = NULL
     WHERE run_id = :run AND state IN ('none', 'queued', 'up_for_retry', 'up_for_reschedule', 'deferred')
       AND task NOT IN :kept
    RETURNING task
""").bindparams(bindparam("kept", expanding=True))

_CANCEL_RUNNING = text("""
    UPDATE task_instances SET cancel_reason = :reason
     WHERE run_id = :run AND state = 'running' AND task NOT IN :kept
    RETURNING agent_id
""").bindparams(bindparam("kept", expanding=True))


class SqlRuns(SqlRunViews):
    """Implements ``leasehold_api.runs.catalog.RunStore``."""

    def __init__(self, database: Database, plans: Plans) -> None:
        super().__init__(database)
        self._plans = plans

    async def create(self, new: NewRun, *, most_queued: int, now: float) -> str:
        """Make a run; see the port."""
        return await self._database.write(lambda tx: create_run(tx, self._plans, new, most_queued, now))

    async def cancel(self, team_id: str, run: str, *, reason: str, by: By) -> None:
        """Cancel a run; see the port."""
        await self._database.write(lambda tx: _cancel(tx, self._plans, team_id, run, reason, by))


def create_run(tx: Transaction, plans: Plans, new: NewRun, most_queued: int, now: float) -> str:
    """Make a run of the DAG's newest version, and queue what waits for nothing; see ``RunStore.create``."""
    query = (
        select(dags.c.id, dag_versions.c.id.label("version_id"))
        .join(dag_versions, (dag_versions.c.dag_id == dags.c.id) & (dag_versions.c.version == dags.c.version))
        .where(dags.c.team_id == new.team_id, dags.c.name == new.dag)
    )
    if (dag := tx.run(query).one_or_none()) is None:
        raise NotFoundError(f"there is no DAG {new.dag!r} in this team; deploy it first: leasehold deploy FILE")
    if (before := made_before(tx, new)) is not None:
        return before
    if tx.run(_QUEUED, {"team": new.team_id}).scalar_one() >= most_queued:
        raise ApiError(
            f"{most_queued} task instances of this team wait already; add agents, wait, or cancel runs",
            code=ProblemCode.QUEUE_FULL,
            headers={"Retry-After": "30"},
        )
    plan = plans.get(tx.connection, dag.version_id)
    tx.run(
        runs.insert().values(
            id=new.id,
            team_id=new.team_id,
            dag_id=dag.id,
            dag_version_id=dag.version_id,
            state=RunState.RUNNING.value,
            trigger=new.trigger,
            params=json.dumps(new.params, separators=(",", ":")),
            logical_date=new.logical_date,
            idempotency_key=new.idempotency_key,
            open_tasks=len(plan.manifest.tasks),
            caused_by=new.cause.task_instance if new.cause else None,
            depth=new.cause.depth if new.cause else 0,
            created_by=new.created_by,
            created_at=now,
        )
    )
    _add_task_instances(tx, plan, new, dag.id, now)
    tx.signal(Signal(Topic.RUN, new.id))
    sql_audit.record(
        tx,
        at=now,
        actor=new.created_by,
        address=new.address,
        action="run.triggered",
        object=new.id,
        team_id=new.team_id,
        # Not the parameters: an author may have passed something secret in them.
        detail={"dag": new.dag, "trigger": new.trigger, "version": dag.version_id, **_cause(new)},
    )
    return new.id


def made_before(tx: Transaction, new: NewRun) -> str | None:
    """Return the run that the same idempotency key made before."""
    if new.idempotency_key is None:
        return None
    query = (
        select(runs.c.id)
        .join(dags, dags.c.id == runs.c.dag_id)
        .where(dags.c.team_id == new.team_id, dags.c.name == new.dag, runs.c.idempotency_key == new.idempotency_key)
    )
    return tx.run(query).scalar_one_or_none()


def _cause(new: NewRun) -> dict[str, Any]:
    return {"task_instance": new.cause.task_instance, "depth": new.cause.depth} if new.cause else {}


def _add_task_instances(tx: Transaction, plan: Plan, new: NewRun, dag_id: str, now: float) -> None:
    placements = place(tx, plan, new.team_id)
    lines = lines_for(tx, plan, team_id=new.team_id, dag_id=dag_id, run_id=new.id, now=now)
    rows: list[dict[str, Any]] = []
    mapped: list[dict[str, Any]] = []
    for position, entry in enumerate(plan.manifest.tasks):
        waits_for = len(set(entry.upstream))
        setups = Upstream(waits_for=len(plan.setups.get(entry.id, ())))
        state = state_after_upstream(entry.trigger_rule, Upstream(waits_for=waits_for), setups)
        is_ready = state is TaskState.QUEUED
        queued = is_ready and entry.mapped is None
        rows.append(
            {
                "id": f"ti{new.id.removeprefix('run')}_{position}",
                "run_id": new.id,
                "dag_version_id": plan.version_id,
                "team_id": new.team_id,
                "task": entry.id,
                "position": position,
                "state": TaskState.NONE.value if entry.mapped else state.value,
                "priority": entry.priority,
                "placement_id": placements[entry.id],
                "waits_for": waits_for,
                "lease_length_s": entry.max_offline_s,
                "line_id": lines.get(entry.id),
                "blocked_on": lines.get(entry.id) if queued else None,
                "queue_timeout_s": entry.queue_timeout_s,
                "queued_at": now if queued else None,
                "due_at": now + entry.queue_timeout_s if queued and entry.queue_timeout_s else None,
            }
        )
        if queued and entry.id not in lines:
            tx.signal(Signal(Topic.QUEUED, placements[entry.id]))
        elif is_ready and entry.mapped is not None:
            mapped.append(rows[-1])
    tx.run(task_instances.insert(), rows)
    _begin_mapped(tx, plan, new.id, mapped, now)
    first = sorted((row for row in rows if row["blocked_on"]), key=lambda row: (-row["priority"], row["id"]))
    for line, those in groupby(first, key=itemgetter("blocked_on")):
        move_up(tx, line, now=now, most=len(list(those)))
    if any(row["due_at"] for row in rows):
        tx.signal(Signal(Topic.TIMER, ""))


def _begin_mapped(tx: Transaction, plan: Plan, run: str, rows: list[dict[str, Any]], now: float) -> None:
    """Expand the mapped tasks that wait for nothing."""
    begun = [
        (
            row["task"],
            start(
                tx,
                plan,
                run=run,
                instance=row["id"],
                task=row["task"],
                map_index=-1,
                placement=row["placement_id"],
                now=now,
            ),
        )
        for row in rows
    ]
    settle(tx, plan, run=run, ended=[(task, state) for task, state in begun if state.is_final], now=now)


def _cancel(tx: Transaction, plans: Plans, team_id: str, run: str, reason: str, by: By) -> None:
    parameters = {"run": run, "team": team_id, "reason": reason, "now": by.at}
    version_id = tx.run(_CANCEL_RUN, parameters).scalar_one_or_none()
    if version_id is None:
        state = tx.run(select(runs.c.state).where(runs.c.id == run, runs.c.team_id == team_id)).scalar_one_or_none()
        if state is None:
            raise NotFoundError(f"there is no run {run!r} in this team")
        raise ConflictError(f"the run is over ({state}): there is nothing to cancel")
    plan = plans.get(tx.connection, version_id)
    # What a setup made is taken away all the same: its teardown runs, or goes on.
    if plan.has_limits:
        hold_still(tx, team_id)  # before its rows: who admits them locks in this order
    kept = sorted(plan.teardowns) or [""]  # no task has this name: PostgreSQL gives an empty list no type
    for agent_id in sorted(set(tx.run(_CANCEL_RUNNING, {**parameters, "kept": kept}).scalars())):
        tx.signal(Signal(Topic.AGENT, agent_id))
    ended = [(task, TaskState.CANCELLED) for task in tx.run(_CANCEL_WAITING, {**parameters, "kept": kept}).scalars()]
    if plan.has_limits:
        give_back_ended(tx, run, team_id=team_id, now=by.at)
    close(tx, run, kept=kept, now=by.at)
    settle(tx, plan, run=run, ended=ended, now=by.at)
    sql_audit.record(
        tx,
        at=by.at,
        actor=by.actor,
        address=by.address,
        action="run.cancelled",
        object=run,
        team_id=team_id,
        detail={"because": reason},
    )
