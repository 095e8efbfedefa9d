"""Logs and metrics on their way from an attempt directory to the API.

A log is bytes; its lines have one grammar, so that time and origin survive any delay::

    <RFC 3339 time, UTC, microseconds> SP <source> [+] SP <text> [US <JSON object of fields>] LF

``source`` is ``stdout``, ``stderr``, a level (``debug info warning error critical``) for records, or ``agent``.
``+`` after it says that the next line of this source goes on with the same line; US is the byte 0x1F.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from leasehold_protocol.v1.message import Instant, Message, Name, Sha256

LOG_CHUNK_BYTES = 1024 * 1024
"""The most of a log that one request carries, before compression."""

LOG_SOURCES = ("stdout", "stderr", "debug", "info", "warning", "error", "critical", "agent")
FIELDS_SEPARATOR = "\x1f"


class LogTail(Message):
    """The last part of a log, carried by an outcome."""

    offset: int
    data: bytes
    """From ``offset`` to the end; base64 in JSON."""
    size: int
    """The whole log's length: the API knows by it whether something is still missing."""
    sha256: Sha256 | None = None
    """Over the whole log."""


class LogAnswer(Message):
    """``PATCH /v1/attempts/{id}/log``: where the API stands now. Also in the ``Upload-Offset`` header."""

    offset: int
    complete: bool = False
    """The API has the whole log, and its checksum fits."""


class MetricPoint(Message):
    """One measurement of a task."""

    seq: Annotated[int, Field(ge=1)]
    """Counts up from 1 within the attempt; makes delivery idempotent."""
    at: Instant
    name: Name
    kind: Literal["counter", "gauge", "timing"]
    value: Annotated[float, Field(allow_inf_nan=False)]
    """Counter: the increment. Gauge: the level. Timing: seconds."""
    tags: dict[Name, Annotated[str, Field(max_length=256)]] = Field(default_factory=dict[str, str])


class MetricBatch(Message):
    """``POST /v1/attempts/{id}/metrics``."""

    points: Annotated[list[MetricPoint], Field(max_length=5000)]


class MetricAnswer(Message):
    """The highest sequence number the API has."""

    seq: int
