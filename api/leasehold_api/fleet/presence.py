"""Agents as they report themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leasehold_protocol.v1.agents import Hello
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.orders import Orders


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTerms:
    """What a site's agents get, whatever they wish."""

    labels: dict[str, str]
    max_slots: int
    """By the site's ceiling; what is ordered of one agent may be less."""
    trusted: bool


class PresenceStore(Protocol):
    """What agents last said of themselves."""

    async def hello(self, agent_id: str, hello: Hello, *, now: float) -> SiteTerms:
        """Note who is here; return the terms of its site."""
        ...

    async def told(self, agent_id: str, reasons: list[str], health: AgentHealth | None, *, now: float) -> None:
        """Note why the agent takes no leases and how it is, when that changed or was last noted a while ago."""
        ...

    async def seen(self, agent_id: str, *, now: float) -> None:
        """Note that the agent asked for work, unless that was noted just before."""
        ...

    async def orders_of(self, agent_id: str) -> Orders:
        """Return what is ordered of the agent at this moment."""
        ...

    async def placements_of(self, site_id: str, agent_id: str) -> frozenset[str]:
        """Return the placements that a site offers what they need, and this agent of it can run."""
        ...

    async def weight_of(self, site_id: str) -> int:
        """Return the site's share of the work where several wait for it."""
        ...
