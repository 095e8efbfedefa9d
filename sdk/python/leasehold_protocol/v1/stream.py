"""What comes on a push stream, line by line."""

from __future__ import annotations

from pydantic import Field

from leasehold_protocol.v1.leases import Control, Lease
from leasehold_protocol.v1.message import Message, Seconds
from leasehold_protocol.v1.orders import Orders


class StreamLine(Message):
    """One line of the answer to ``POST /v1/agent/stream``. A reader passes over kinds it does not know."""

    kind: str
    """``opened`` first and at once; ``news``: leases, cancellations, orders; ``keepalive`` while there is nothing else;
    ``refresh`` last: nothing was lost, open another."""
    leases: list[Lease] = Field(default_factory=list[Lease])
    control: list[Control] = Field(default_factory=list[Control])
    orders: Orders | None = None
    """What is ordered of this agent, when there is something to tell it; none: as before."""
    after_s: Seconds = 0.0
    """How long after the stream's beginning this was said: a lease counts from then."""
    granted: int | None = None
    """How many leases in all may be sent, as far as the API has heard."""
    keepalive_s: Seconds | None = None
    """In ``opened``: without anything else a keep-alive comes this often."""
