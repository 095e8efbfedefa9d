"""Runs that tasks start, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from leasehold_api.callers import TaskCaller
from leasehold_api.context.entitlement import Verdict
from leasehold_api.errors import ApiError, LeaseLostError, NotFoundError
from leasehold_api.runs.catalog import Cause, NewRun
from leasehold_api.runs.facts import DEEPEST, not_declared, too_deep
from leasehold_api.storage import run_fact_rows, sql_entitlement
from leasehold_api.storage.sql_run_facts import SqlRunFacts
from leasehold_api.storage.sql_runs import create_run, made_before
from leasehold_api.storage.tables import dags, runs
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.task_runs import TriggeredRun


class SqlTaskRuns(SqlRunFacts):
    """Implements ``leasehold_api.runs.facts.RunFactsStore``."""

    async def trigger(self, starter: TaskCaller, new: NewRun, *, most_queued: int, now: float) -> TriggeredRun:
        """Make a run, or return the one made before; see the port."""

        def operation(tx: Transaction) -> TriggeredRun | ApiError:
            refused = _refusal(tx, starter, new)
            if refused is not None:
                verdict, error = refused
                sql_entitlement.record(tx, starter, action="run.triggered", name=new.dag, verdict=verdict, now=now)
                return error
            before = made_before(tx, new)
            made = before or create_run(tx, self._plans, _caused(tx, starter, new), most_queued, now)
            row = tx.run(run_fact_rows.RUNS.where(runs.c.id == made)).one()
            return TriggeredRun(run=run_fact_rows.run(row, with_params=True), created=before is None)

        answered = await self._database.write(operation)
        if isinstance(answered, ApiError):
            raise answered
        return answered


def _refusal(tx: Transaction, starter: TaskCaller, new: NewRun) -> tuple[Verdict, ApiError] | None:
    """Return why not, returned and not raised, so that the trace of it stays."""
    if not sql_entitlement.lease_runs(tx, starter):
        return Verdict.LEASE_LOST, LeaseLostError("the lease of the task that asks is over; stop the attempt")
    if f"dag:{new.dag}:trigger" not in starter.scopes:
        return Verdict.NOT_DECLARED, not_declared(starter, new.dag, "triggers")
    known = select(dags.c.id).where(dags.c.team_id == starter.team_id, dags.c.name == new.dag)
    if tx.run(known).one_or_none() is None:
        return Verdict.NOT_FOUND, NotFoundError(
            f"there is no DAG {new.dag!r} in this team; deploy it first: leasehold deploy FILE"
        )
    if _depth(tx, starter) >= DEEPEST and made_before(tx, new) is None:
        return Verdict.TOO_DEEP, too_deep(new.dag)
    return None


def _caused(tx: Transaction, starter: TaskCaller, new: NewRun) -> NewRun:
    return replace(new, cause=Cause(task_instance=starter.task_instance, depth=_depth(tx, starter) + 1))


def _depth(tx: Transaction, starter: TaskCaller) -> int:
    return int(tx.run(select(runs.c.depth).where(runs.c.id == starter.run)).scalar_one())
