"""Credits of a push stream: how many leases the API may send on it. The agent grants, the API counts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Message

StreamNumber = Annotated[int, Field(ge=0, lt=2**53)]
"""Names a stream of one agent: rising, so that a later one ends those before it."""


class StreamRequest(Message):
    """``POST /v1/agent/stream``: push. The answer stays open, one ``StreamLine`` per line."""

    stream: StreamNumber
    free_slots: Annotated[int, Field(ge=0, le=1024)]
    """The first grant: so many leases may be sent."""


class StreamGrant(Message):
    """``POST /v1/agent/stream/grants``, and with outcomes and renewals: what may be sent on an open stream."""

    stream: StreamNumber
    number: Annotated[int, Field(ge=1)]
    """Rising within the stream: an older grant changes nothing."""
    granted: Annotated[int, Field(ge=0, lt=2**53)]
    """How many leases in all since the stream was opened, those that were sent among them."""
