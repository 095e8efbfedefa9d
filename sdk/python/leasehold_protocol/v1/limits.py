"""Limits that people set: pools, and how much a team runs at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Instant, Message, Name, Page, Text


class PoolWrite(Message):
    """``PUT /v1/teams/{team}/pools/{pool}``."""

    slots: Annotated[int, Field(ge=0, le=100_000)]
    """How many slots there are; 0: what names the pool waits."""
    description: Annotated[Text, Field(max_length=500)] = ""


class Pool(PoolWrite):
    """Slots that tasks of a team share."""

    name: Name
    team: Name
    used: int = 0
    """Slots that are taken, by what runs and by what is about to."""
    waiting: int = 0
    """Task instances that wait in a line which stands at this pool."""
    updated_at: Instant
    updated_by: str


class PoolList(Page):
    """``GET /v1/teams/{team}/pools``."""

    items: list[Pool]


class TeamLimits(Message):
    """``PUT /v1/teams/{team}/limits``."""

    max_running: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """The most task instances that run at once, at all sites together; none: as many as the agents take."""
