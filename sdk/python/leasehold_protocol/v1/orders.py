"""What people order of an agent through the API: a pause, a drain, fewer slots. Said again until it is taken back."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Instant, Message, Seconds, Text

Note = Annotated[Text, Field(max_length=500)]


class Order(Message):
    """One order that holds."""

    by: str
    """Who gave it, as the audit trail names them."""
    note: Note = ""
    """Why; the site's operator sees it."""
    since: Instant
    until: Instant | None = None
    """When it ends by itself; none: when somebody ends it."""


class SlotsOrder(Order):
    """How many slots the agent may use at most."""

    slots: Annotated[int, Field(ge=1, le=1024)]


class Orders(Message):
    """Everything that is ordered of one agent at the moment."""

    pause: Order | None = None
    """Take no new leases."""
    drain: Order | None = None
    """Take no new leases, and end when the last attempt is delivered."""
    slots: SlotsOrder | None = None


class PauseRequest(Message):
    """``POST /v1/teams/{team}/agents/{agent}/pause``."""

    note: Note = ""
    for_s: Annotated[Seconds, Field(gt=0)] | None = None
    """How long; none: until somebody resumes it."""


class DrainRequest(Message):
    """``POST /v1/teams/{team}/agents/{agent}/drain``."""

    note: Note = ""


class SlotsRequest(Message):
    """``POST /v1/teams/{team}/agents/{agent}/slots``."""

    slots: Annotated[int, Field(ge=1, le=1024)] | None
    """The most slots it may use; none: what its own operator and its site allow."""
    note: Note = ""
