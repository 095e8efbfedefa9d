"""What people do to runs after they began: try again, mark, reorder, delete. And what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from leasehold_protocol.v1.message import Identifier, Message, Name, Text
from leasehold_protocol.v1.runs import RunState, TaskState

Because = Annotated[Text, Field(max_length=500)]
MapIndex = Annotated[int, Field(ge=-1, le=2**31 - 1)]


class RetryRequest(Message):
    """``POST /v1/teams/{team}/runs/{run}/retry``: task instances that ended shall run again."""

    task: Name | None = None
    """This task; none: every one that failed, was cancelled, or never ran because of those."""
    map_index: MapIndex | None = None
    """Of a mapped task, only this instance."""
    downstream: bool = True
    """Also what depends on them, as far as it ended."""
    latest: bool = False
    """Go on with the DAG's newest version; otherwise the run stays with its own."""
    reason: Because | None = None

    @model_validator(mode="after")
    def _names_a_task(self) -> RetryRequest:
        if self.map_index is not None and self.task is None:
            raise ValueError("map_index is for a task: name it too")
        return self


class MarkedState(StrEnum):
    """What a task instance can be marked as."""

    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"


class MarkRequest(Message):
    """``POST /v1/teams/{team}/runs/{run}/tasks/{task}/mark``."""

    state: MarkedState
    map_index: MapIndex | None = None
    """None: every instance of the task."""
    reason: Because | None = None


class CancelTaskRequest(Message):
    """``POST /v1/teams/{team}/runs/{run}/tasks/{task}/cancel``: the run goes on without it."""

    map_index: MapIndex | None = None
    """None: every instance of the task that has not ended."""
    reason: Because | None = None


class PriorityRequest(Message):
    """``POST /v1/teams/{team}/runs/{run}/priority``: what has not ended is reordered in the queue."""

    priority: Annotated[int, Field(ge=-100, le=100)]
    task: Name | None = None
    """Only this task; none: every task of the run."""


class ChangedInstance(Message):
    """One task instance that an operation changed."""

    task_instance: Identifier
    task: Name
    map_index: int = -1
    was: TaskState
    state: TaskState


class RunChanged(Message):
    """What an operation on a run did. A task instance that is running is told to stop, and ends a little later."""

    run: Identifier
    version: int
    state: RunState
    changed: list[ChangedInstance] = Field(default_factory=list[ChangedInstance])
