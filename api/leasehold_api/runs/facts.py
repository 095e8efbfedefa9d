"""What a running task may know of runs, and the runs it starts: whose it may ask for, and the port that answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from leasehold_api.callers import TaskCaller
from leasehold_api.errors import ApiError, ConflictError
from leasehold_api.runs.catalog import NewRun
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.task_runs import DagFacts, TaskInstanceFacts, TaskInstanceList, TaskRun, TriggeredRun

DEEPEST = 32
"""How many runs may start one another in a row: DAGs that start each other in a circle end here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsAsked:
    """Which runs a task asks for; what is empty does not narrow it down."""

    dag: str | None = None
    runs: list[str] = field(default_factory=list[str])
    states: list[RunState] = field(default_factory=list[RunState])
    logical_dates: list[datetime] = field(default_factory=list[datetime])


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksAsked:
    """Which task instances a task asks for: of its own run, unless a DAG, runs or logical dates are named."""

    dag: str | None = None
    runs: list[str] = field(default_factory=list[str])
    logical_dates: list[datetime] = field(default_factory=list[datetime])
    tasks: list[str] = field(default_factory=list[str])
    states: list[TaskState] = field(default_factory=list[TaskState])
    map_index: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviousAsked:
    """What came last before a moment; of the task's own DAG and before its own run, unless told otherwise."""

    dag: str | None = None
    before: datetime | None = None
    states: list[str] = field(default_factory=list[str])


class RunFactsStore(Protocol):
    """Answers tasks whose lease is live. Its promises are ``tests/api/test_task_runs.py``.

    Each raises ``LeaseLostError`` when the reader's lease is over, and ``ApiError`` (``not_declared``) for a DAG that
    the reader did not declare.
    """

    async def run(self, reader: TaskCaller, run: str) -> TaskRun:
        """Return a run with its parameters.

        Raises:
            NotFoundError: if the team has none of that id.
        """
        ...

    async def previous_run(self, reader: TaskCaller, asked: PreviousAsked) -> TaskRun | None:
        """Return the newest run by logical date before a moment."""
        ...

    async def count_runs(self, reader: TaskCaller, asked: RunsAsked) -> int:
        """Return how many runs there are."""
        ...

    async def task_instances(self, reader: TaskCaller, asked: TasksAsked) -> TaskInstanceList:
        """Return task instances by run and place in the DAG."""
        ...

    async def count_task_instances(self, reader: TaskCaller, asked: TasksAsked) -> int:
        """Return how many task instances there are."""
        ...

    async def previous_task_instance(
        self, reader: TaskCaller, asked: PreviousAsked, *, task: str, map_index: int
    ) -> TaskInstanceFacts | None:
        """Return the same task's instance in the newest run before a moment."""
        ...

    async def dag(self, reader: TaskCaller, dag: str) -> DagFacts:
        """Return a DAG's newest version.

        Raises:
            NotFoundError: if the team has no such DAG.
        """
        ...

    async def trigger(self, starter: TaskCaller, new: NewRun, *, most_queued: int, now: float) -> TriggeredRun:
        """Make a run, or return the one that the task instance made under the same key. Audited, refusals too.

        Raises:
            NotFoundError: if the team has no such DAG.
            ConflictError: if too many runs have started one another.
            ApiError: ``queue_full``.
        """
        ...


def require_readable(reader: TaskCaller, dag: str) -> None:
    """Let a task look at its own DAG and at those that it declared.

    Raises:
        ApiError: ``not_declared``.
    """
    if dag != reader.dag and f"dag:{dag}:read" not in reader.scopes:
        raise not_declared(reader, dag, "dags")


def not_declared(caller: TaskCaller, dag: str, option: str) -> ApiError:
    """Return the refusal that says which option of the task lacks the DAG."""
    return ApiError(
        f"task {caller.task} did not declare the DAG {dag}: add {option}=[{dag!r}] to the task and deploy again",
        code=ProblemCode.NOT_DECLARED,
    )


def too_deep(dag: str) -> ConflictError:
    """Return the refusal of a run at the end of a long row of runs that started one another."""
    return ConflictError(
        f"{DEEPEST} runs have started one another in a row, and {dag} would be one more: DAGs that start each other "
        "in a circle never end; look at what starts them (leasehold runs show RUN) and break the circle"
    )


def key_of(starter: TaskCaller, key: str | None, params: dict[str, Any], logical_date: datetime | None) -> str:
    """Return the idempotency key of a run that a task instance starts: the same in all of its tries."""
    if key is None:
        stands_for = json.dumps([params, logical_date.timestamp() if logical_date else None], sort_keys=True)
        key = "=" + hashlib.sha256(stands_for.encode()).hexdigest()
    return f"task/{starter.task_instance}/{key}"
