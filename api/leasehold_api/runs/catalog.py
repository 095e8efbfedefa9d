"""Runs: made, cancelled, looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from leasehold_api.acting import By
from leasehold_protocol.v1.runs import MetricList, RunDetail, RunState, RunSummary, TaskInstance, XComList


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The task instance that starts a run."""

    task_instance: str
    depth: int
    """How many runs started one another, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run about to be made; its parameters have been checked."""

    id: str
    team_id: str
    dag: str
    params: dict[str, Any]
    logical_date: float
    trigger: str
    created_by: str
    idempotency_key: str | None = None
    address: str | None = None
    """Where the request came from, for the audit trail."""
    cause: Cause | None = None
    """None: a person or program started it."""
    data_interval: tuple[float, float] | None = None
    """None: the logical date, twice."""
    backfill: str | None = None
    """The backfill that it belongs to: then it is not counted by ``max_active_runs``."""


class RunStore(Protocol):
    """Runs and their task instances. Its promises are ``tests/api/contracts/lease_store.py``."""

    async def create(self, new: NewRun, *, most_queued: int, now: float) -> str:
        """Make a run of the newest version, queue what waits for nothing, and return the run's id.

        Where ``max_active_runs`` of the DAG go on already, the run is ``queued``; the end of one of them begins it.
        The same idempotency key again returns the run that it made before.

        Raises:
            NotFoundError: if the team has no such DAG.
            ApiError: ``queue_full``, if the team has ``most_queued`` task instances waiting already.
        """
        ...

    async def cancel(self, team_id: str, run: str, *, reason: str, by: By) -> None:
        """Cancel what has not begun, and ask the agents to stop what has.

        Raises:
            NotFoundError: if the team has no such run.
            ConflictError: if the run is over.
        """
        ...

    async def get(self, team_id: str, run: str) -> RunDetail:
        """Return a run with its task instances.

        Raises:
            NotFoundError: if the team has no such run.
        """
        ...

    async def task_instance(self, team_id: str, run: str, task: str, map_index: int) -> TaskInstance:
        """Return one task instance, with what its arguments came to in each attempt.

        Raises:
            NotFoundError: if the team has no such run, or the run no such task.
        """
        ...

    async def recent(
        self, team_id: str, *, dag: str | None, state: RunState | None, after: str | None, limit: int
    ) -> list[RunSummary]:
        """Return runs, newest first, older than the run ``after``."""
        ...

    async def metrics(self, team_id: str, run: str) -> MetricList:
        """Return each metric of each attempt, summed up; or when retention deleted them."""
        ...

    async def xcoms(self, team_id: str, run: str) -> XComList:
        """Return the XComs that stand, small ones with their values; or when retention deleted them."""
        ...
