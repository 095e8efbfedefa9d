"""The local protocol between a task and its attempt host: HTTP/1.1 with JSON on a socket only this task can open.

``LEASEHOLD_TASK_URL`` says where (``http+unix://<percent-encoded path>``), ``LEASEHOLD_TASK_SECRET`` is sent as
``Authorization: Bearer …``. docs/reference/task-protocol.md shows every call with ``curl``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from leasehold_protocol.v1.leases import RunFacts
from leasehold_protocol.v1.manifest import Work
from leasehold_protocol.v1.message import Audience, Instant, Json, Key, KeyPattern, Message, Name, Seconds, Sha256
from leasehold_protocol.v1.waiting import SettledWait, Wait


class TaskContext(Message):
    """``GET /v1/context``: who the task is and what it was given."""

    attempt: str
    task: Name
    task_instance: str
    map_index: int = -1
    try_number: int
    run: RunFacts
    work: Work
    inputs: dict[str, Json] = Field(default_factory=dict[str, Json])
    """``<task>/<key>`` → value, for every upstream result that the arguments name (large ones fetched first)."""
    item: dict[str, Json] | None = None
    """Of a mapped task: what this instance is for, by argument or environment variable."""
    connections: list[Name] = Field(default_factory=list[Name])
    variables: list[KeyPattern] = Field(default_factory=list[KeyPattern])
    work_dir: str
    bundle_dir: str | None = None
    rescheduled: int = 0
    """How often it was rescheduled before."""
    first_started_at: Instant | None = None
    """When its first attempt was leased, by the API's clock; none: this is the first."""
    running_for_s: Seconds = 0.0
    """How long that is ago now, whatever the site's clock says."""
    resumed: Literal["reschedule", "defer", "input"] | None = None
    """What this attempt goes on from; none: from nothing."""
    waits: dict[Key, SettledWait] = Field(default_factory=dict[str, SettledWait])
    """What came of earlier waits, by their key."""
    downstream: list[Name] = Field(default_factory=list[Name])


class ResultWrite(Message):
    """``PUT /v1/result`` and ``PUT /v1/xcoms/{key}``."""

    value: Json


class FileKept(Message):
    """``PUT /v1/files``: the host has the bytes; a value names them by this hash."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class EndingWrite(Message):
    """``PUT /v1/ending``: how the task says it ended; the last one before the process exits counts."""

    kind: Literal["success", "failed", "failed_for_good", "skipped", "retry", "rescheduled", "deferred"]
    message: Annotated[str, Field(max_length=4000)] | None = None
    retry_after_s: Seconds | None = None
    again_after_s: Seconds | None = None
    again_at: Instant | None = None
    """With ``rescheduled``: one of the two."""
    wait: Wait | None = None
    """With ``deferred``."""


class HeartbeatWrite(Message):
    """``POST /v1/heartbeat``."""

    progress: Annotated[float, Field(ge=0, le=1)] | None = None
    note: Annotated[str, Field(max_length=500)] | None = None


class LabelWrite(Message):
    """``POST /v1/label``: what people shall call the task instance; the last one counts."""

    label: Annotated[str, Field(min_length=1, max_length=250)]


class MetricWrite(Message):
    """``POST /v1/metrics``: one measurement; the host adds the sequence number."""

    name: Name
    kind: Literal["counter", "gauge", "timing"]
    value: Annotated[float, Field(allow_inf_nan=False)]
    tags: dict[Name, str] = Field(default_factory=dict[str, str])
    at: Instant | None = None


class LogWrite(Message):
    """``POST /v1/log``: one record."""

    level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    message: str
    fields: dict[str, Json] = Field(default_factory=dict[str, Json])
    at: Instant | None = None


class IdTokenRequest(Message):
    """``POST /v1/id-token``, at the API ``/v1/task/id-token``: prove to ``audience`` which task this is."""

    audience: Audience


class IdToken(Message):
    """An OpenID Connect identity token of the task, signed by the API."""

    token: str = Field(repr=False)
    audience: Audience
    expires_at: Instant


class MaskWrite(Message):
    """``POST /v1/mask``: from now on this text never appears in the log."""

    value: str


class StateWrite(Message):
    """``PUT /v1/state/{key}`` of the task protocol."""

    value: Json
    expires_after_s: Seconds | None = None


class StateValue(Message):
    """``GET /v1/state/{key}``, at the API ``/v1/task/state/{key}``."""

    key: Key
    value: Json


class StateKeys(Message):
    """``GET /v1/state?prefix=…``, at the API ``/v1/task/state``: the keys that begin so, in order."""

    keys: list[Key]


class SkipDownstream(Message):
    """``POST /v1/skip-downstream``: direct downstream tasks that are skipped if this one succeeds."""

    tasks: Annotated[list[Name], Field(min_length=1, max_length=1000)]
