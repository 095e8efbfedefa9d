"""Making and cancelling runs, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, select, text

from leasehold_api.acting import By
from leasehold_api.errors import ApiError, ConflictError, NotFoundError
from leasehold_api.runs.catalog import NewRun
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_admission import give_back_ended, hold_still
from leasehold_api.storage.sql_flow import settle
from leasehold_api.storage.sql_making_runs import drop_queued, make_run
from leasehold_api.storage.sql_run_views import SqlRunViews
from leasehold_api.storage.sql_waits import close
from leasehold_api.storage.tables import dag_versions, dags, runs
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
    UPDATE runs SET cancel_reason = :reason WHERE id = :run AND team_id = :team AND state IN ('queued', 'running')
    RETURNING dag_version_id, state
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
        await self._database.write(lambda tx: cancel_run(tx, self._plans, team_id, run, reason, by))


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
    make_run(tx, plan, new, dag_id=dag.id, settle=settle, now=now)
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


def cancel_run(tx: Transaction, plans: Plans, team_id: str, run: str, reason: str, by: By) -> None:
    """Cancel a run; see ``RunStore.cancel``."""
    parameters = {"run": run, "team": team_id, "reason": reason, "now": by.at}
    row = tx.run(_CANCEL_RUN, parameters).one_or_none()
    if row is None:
        state = tx.run(select(runs.c.state).where(runs.c.id == run, runs.c.team_id == team_id)).scalar_one_or_none()
        if state is None:
            raise NotFoundError(f"there is no run {run!r} in this team")
        raise ConflictError(f"the run is over ({state}): there is nothing to cancel")
    plan = plans.get(tx.connection, row.dag_version_id)
    if plan.has_limits:
        hold_still(tx, team_id)  # before its rows: who admits them locks in this order
    if row.state == RunState.QUEUED:
        drop_queued(tx, run, now=by.at)
    # What a setup made is taken away all the same: its teardown runs, or goes on.
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
