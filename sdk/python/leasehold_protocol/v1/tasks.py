"""The local protocol between a task and its attempt host: HTTP/1.1 with JSON on a socket only this task can open.

``LEASEHOLD_TASK_URL`` says where (``http+unix://<percent-encoded path>``), ``LEASEHOLD_TASK_SECRET`` is sent as
``Authorization: Bearer …``. docs/reference/task-protocol.md shows every call with ``curl``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from leasehold_protocol.v1.leases import RunFacts
from leasehold_protocol.v1.manifest import Work
from leasehold_protocol.v1.message import Audience, Instant, Json, KeyPattern, Message, Name, Seconds, Sha256


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
    connections: list[Name] = Field(default_factory=list[Name])
    variables: list[KeyPattern] = Field(default_factory=list[KeyPattern])
    work_dir: str
    bundle_dir: str | None = None


class ResultWrite(Message):
    """``PUT /v1/result`` and ``PUT /v1/xcoms/{key}``."""

    value: Json


class FileKept(Message):
    """``PUT /v1/files``: the host has the bytes; a value names them by this hash."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class EndingWrite(Message):
    """``PUT /v1/ending``: how the task says it ended; the last one before the process exits counts."""

    kind: Literal["success", "failed", "failed_for_good", "skipped", "retry"]
    message: Annotated[str, Field(max_length=4000)] | None = None
    retry_after_s: Seconds | None = None


class HeartbeatWrite(Message):
    """``POST /v1/heartbeat``."""

    progress: Annotated[float, Field(ge=0, le=1)] | None = None
    note: Annotated[str, Field(max_length=500)] | None = None


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
