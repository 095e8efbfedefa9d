"""DAGs, runs and task instances as authors and operators see them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.leases import Rendered
from leasehold_protocol.v1.manifest import Manifest, TaskRole
from leasehold_protocol.v1.message import Identifier, Instant, Json, Key, Message, Name, Page, Sha256, Text
from leasehold_protocol.v1.schedules import ScheduleStanding
from leasehold_protocol.v1.signing import Signature, SignatureFacts


class RunState(StrEnum):
    """The states of a run."""

    QUEUED = "queued"  # waits for another run of its DAG to end: max_active_runs
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Nothing will change it any more."""
        return self not in (RunState.QUEUED, RunState.RUNNING)


class TaskState(StrEnum):
    """The states of a task instance. Airflow's names where Airflow has the state."""

    NONE = "none"  # waits for upstream tasks
    QUEUED = "queued"  # may be leased
    RUNNING = "running"  # leased
    UP_FOR_RETRY = "up_for_retry"  # failed, will be queued at `due_at`
    UP_FOR_RESCHEDULE = "up_for_reschedule"  # asked to be started again, will be queued at `due_at`
    DEFERRED = "deferred"  # waits for something (see `reason`), until `due_at` at most
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Nothing will change it any more, unless a person does."""
        return self in _FINAL


_FINAL = {TaskState.SUCCESS, TaskState.FAILED, TaskState.SKIPPED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED}


class Deploy(Message):
    """``POST /v1/teams/{team}/dags``: a new version of a DAG. Its bundle was sent before."""

    manifest: Manifest
    signature: Signature | None = None
    """Made over this manifest. A signed deploy always makes a new version: when it was signed counts."""


class DeployedDag(Message):
    """The version that a deploy made, or found unchanged."""

    dag: Name
    version: int
    unchanged: bool = False
    bundle: Sha256 | None = None


class DagSummary(Message):
    """A DAG in a list."""

    dag: Name
    version: int
    description: str = ""
    tasks: int
    deployed_at: Instant
    deployed_by: str
    signed: SignatureFacts | None = None
    """By whose key this version is signed; none: it is not."""
    schedule: ScheduleStanding | None = None
    """None: the API is too old to have schedules."""


class DagDetail(DagSummary):
    """A DAG with its newest manifest."""

    manifest: Manifest


class DagVersion(Message):
    """One version of a DAG in a list."""

    version: int
    deployed_at: Instant
    deployed_by: str
    signed: SignatureFacts | None = None


class TriggerRun(Message):
    """``POST /v1/teams/{team}/dags/{dag}/runs``."""

    params: dict[str, Json] = Field(default_factory=dict[str, Json])
    logical_date: Instant | None = None
    """Defaults to now."""
    idempotency_key: Annotated[Text, Field(max_length=200)] | None = None
    """The same key again gives the same run."""


class RunSummary(Message):
    """A run in a list."""

    run: Identifier
    dag: Name
    version: int
    team: Name
    state: RunState
    trigger: str
    created_by: str
    caused_by: Identifier | None = None
    """The task instance that started it."""
    logical_date: Instant
    created_at: Instant
    started_at: Instant | None = None
    ended_at: Instant | None = None
    reason: str | None = None
    """Why it waits."""
    data_interval_start: Instant | None = None
    data_interval_end: Instant | None = None
    backfill: Identifier | None = None
    """The backfill that it belongs to."""


class AttemptSummary(Message):
    """One try at a task instance."""

    attempt: Identifier
    epoch: int
    try_number: int
    agent: str
    site: Name
    leased_at: Instant
    started_at: Instant | None = None
    ended_at: Instant | None = None
    ending: str | None = None
    message: str | None = None
    log_bytes: int = 0
    log_complete: bool = False
    log_deleted_at: Instant | None = None
    """Retention deleted the log then."""
    progress: float | None = None
    note: str | None = None
    label: str | None = None
    rendered: Rendered | None = None
    """With one task instance only: what its arguments came to."""


class TaskInstance(Message):
    """One task of one run."""

    task_instance: Identifier
    task: Name
    map_index: int = -1
    state: TaskState
    try_number: int = 0
    epoch: int = 0
    label: str | None = None
    """What its last attempt called itself."""
    reason: str | None = None
    """Why it is in this state, or why it waits."""
    site: Name | None = None
    queued_at: Instant | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    due_at: Instant | None = None
    upstream: list[Name] = Field(default_factory=list[Name])
    group: Name | None = None
    """The path of the task group that it is in: ``load.north``."""
    role: TaskRole = TaskRole.WORK
    attempts: list[AttemptSummary] = Field(default_factory=list[AttemptSummary])
    result: Json = None
    """The returned value, when it is small enough to show."""
    result_size: int | None = None
    rescheduled: int = 0
    """How often it was rescheduled."""
    input: Identifier | None = None
    """The question that it waits for, see ``leasehold inputs``."""


class RunDetail(RunSummary):
    """``GET /v1/teams/{team}/runs/{run}``: a run with all its task instances. ``ETag`` names this very picture."""

    params: dict[str, Json] = Field(default_factory=dict[str, Json])
    tasks: list[TaskInstance] = Field(default_factory=list[TaskInstance])
    xcoms_deleted_at: Instant | None = None
    """Retention deleted then what had been passed on; what tasks that ran again since left is there."""
    metrics_deleted_at: Instant | None = None
    """The same of what was measured."""


class CancelRequest(Message):
    """``POST …/cancel``."""

    reason: Annotated[Text, Field(max_length=500)] | None = None


class MetricSummary(Message):
    """One metric of a task, over an attempt."""

    task: Name
    map_index: int
    attempt: Identifier
    name: Name
    kind: str
    count: int
    last: float
    total: float
    min: float
    max: float
    p50: float | None = None
    """The middle one, by the nearest rank."""
    p95: float | None = None


class XComSummary(Message):
    """An XCom in a list."""

    task: Name
    map_index: int
    key: Key
    size: int
    value: Json = None
    inline: bool = True


class DagList(Page):
    """``GET /v1/teams/{team}/dags``."""

    items: list[DagSummary]


class DagVersionList(Page):
    """``GET /v1/teams/{team}/dags/{dag}/versions``: newest first."""

    items: list[DagVersion]


class RunList(Page):
    """``GET /v1/teams/{team}/runs``: newest first."""

    items: list[RunSummary]


class MetricList(Page):
    """``GET /v1/teams/{team}/runs/{run}/metrics``."""

    items: list[MetricSummary]
    deleted_at: Instant | None = None
    """Retention deleted then what had been measured before."""


class XComList(Page):
    """``GET /v1/teams/{team}/runs/{run}/xcoms``."""

    items: list[XComSummary]
    deleted_at: Instant | None = None
    """Retention deleted then what had been passed on before."""
