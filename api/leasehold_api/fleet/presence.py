"""Agents as they report themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leasehold_protocol.v1.agents import Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteTerms:
    """What a site's agents get, whatever they wish."""

    labels: dict[str, str]
    max_slots: int


class PresenceStore(Protocol):
    """What agents last said of themselves."""

    async def hello(self, agent_id: str, hello: Hello, *, now: float) -> SiteTerms:
        """Note who is here; return the terms of its site."""
        ...

    async def paused(self, agent_id: str, reasons: list[str], *, now: float) -> None:
        """Note why the agent takes no leases, when that changed."""
        ...

    async def placements_of(self, site_id: str) -> frozenset[str]:
        """Return the placements that a site offers what they need."""
        ...
