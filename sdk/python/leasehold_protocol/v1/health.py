"""How an agent is, by its own word: for people to look at, never to decide by."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Instant, Message, Text


class HealthReason(Message):
    """Something that somebody should know of; docs/reference/agent-health.md has every name, with its cure."""

    name: Annotated[str, Field(max_length=64)]
    text: Annotated[Text, Field(max_length=1000)]
    since: Instant
    blocks: bool = True
    """No new leases are taken while it holds."""


class AgentHealth(Message):
    """What an agent says of itself in its greeting and its renewals."""

    reasons: Annotated[list[HealthReason], Field(max_length=32)] = Field(default_factory=list[HealthReason])
    disk_free_bytes: int | None = None
    disk_budget_bytes: int | None = None
    spool_bytes: int | None = None
    """What attempts and bundles take of it."""
    undelivered_attempts: int | None = None
    undelivered_log_bytes: int | None = None
    oldest_undelivered_s: float | None = None
    """How long ago the oldest attempt ended that is not delivered whole."""
    rss_bytes: int | None = None
