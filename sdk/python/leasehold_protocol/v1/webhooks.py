"""What is told to others when a run ends or a task is tried again, and the list of what was told."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from leasehold_protocol.v1.message import Identifier, Instant, Message, Name, Page
from leasehold_protocol.v1.runs import RunState, TaskState


class HookEvent(StrEnum):
    """What happened."""

    RUN_FAILED = "run.failed"
    RUN_SUCCEEDED = "run.succeeded"
    TASK_RETRY = "task.retry"


class HookTask(Message):
    """A task instance that a webhook tells of."""

    task: Name
    map_index: int = -1
    state: TaskState
    try_number: int = 0
    reason: str | None = None
    due_at: Instant | None = None
    """When it is tried again."""


class HookPayload(Message):
    """The body of a webhook: one POST, JSON. The header ``Idempotency-Key`` has its id."""

    version: Literal[1] = 1
    id: Identifier
    """The same when it is sent again."""
    event: HookEvent
    at: Instant
    team: Name
    dag: Name
    dag_version: int
    run: Identifier
    state: RunState
    logical_date: Instant
    started_at: Instant | None = None
    ended_at: Instant | None = None
    tasks: list[HookTask] = Field(default_factory=list[HookTask])
    """Those that failed, or the one that is tried again; the first twenty."""


class WebhookState(StrEnum):
    """How it stands with one."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; `leasehold webhooks retry`


class Webhook(Message):
    """One webhook in a list."""

    webhook: Identifier
    event: HookEvent
    dag: Name
    run: Identifier
    target: str
    """As the DAG names it: an address, or a connection."""
    state: WebhookState
    tries: int
    created_at: Instant
    due_at: Instant | None = None
    settled_at: Instant | None = None
    error: str | None = None
    """Why the last try failed."""


class WebhookList(Page):
    """``GET /v1/teams/{team}/webhooks``: newest first."""

    items: list[Webhook]
