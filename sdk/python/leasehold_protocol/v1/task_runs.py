"""What a running task may know of runs, of the tasks in them and of DAGs, and the runs that it starts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Identifier, Instant, Json, Message, Name, Text
from leasehold_protocol.v1.runs import RunState, TaskState

MOST_TASK_INSTANCES = 5000
"""How many one answer has at most."""


class TaskRun(Message):
    """A run, as a task may know it."""

    run: Identifier
    dag: Name
    dag_version: int
    state: RunState
    trigger: str
    logical_date: Instant
    data_interval_start: Instant | None = None
    data_interval_end: Instant | None = None
    """None: the logical date."""
    created_at: Instant
    started_at: Instant | None = None
    ended_at: Instant | None = None
    params: dict[str, Json] | None = None
    """With one run that was asked for by its id, or started."""


class PreviousRun(Message):
    """``GET /v1/runs/previous``; none when there is no such run."""

    previous: TaskRun | None = None


class Count(Message):
    """``GET /v1/runs/count`` and ``GET /v1/task-instances/count``."""

    count: int


class TaskInstanceFacts(Message):
    """A task instance, as other tasks may know it: nothing of its result or its log."""

    run: Identifier
    task: Name
    map_index: int = -1
    state: TaskState
    kind: str
    """What does its work: ``python``, ``program``, ``container``. Airflow's operator."""
    try_number: int = 0
    """0: not begun."""
    logical_date: Instant
    queued_at: Instant | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    label: str | None = None


class TaskInstanceList(Message):
    """``GET /v1/task-instances``: by run, then in the DAG's order."""

    items: list[TaskInstanceFacts]
    more: bool = False
    """There are more than one answer has: ask for fewer runs, tasks or states."""


class PreviousTaskInstance(Message):
    """``GET /v1/task-instances/previous``; none when there is no such one."""

    previous: TaskInstanceFacts | None = None


class DagFacts(Message):
    """``GET /v1/dags/{dag}``: its newest version."""

    dag: Name
    version: int
    description: str = ""
    tasks: list[Name]
    deployed_at: Instant
    deployed_by: str


class TaskTrigger(Message):
    """``POST /v1/runs``: start a run of a DAG that the task declared."""

    dag: Name
    params: dict[str, Json] = Field(default_factory=dict[str, Json])
    logical_date: Instant | None = None
    """Defaults to now."""
    key: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    """Names this run among those that the task instance starts: the same key again, in this try or a later one, gives
    the same run. Without one the parameters and the logical date stand for it."""


class TriggeredRun(Message):
    """The run that a task started, now or before."""

    run: TaskRun
    created: bool
    """False: it was started before, by this try or an earlier one."""
