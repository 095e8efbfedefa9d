"""Handing out leases: at once when something is queued, else when something comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from leasehold_api.callers import AgentCaller
from leasehold_api.fleet.presence import PresenceStore
from leasehold_api.leases.claimed import Claimed, LeaseStore
from leasehold_api.leases.parking import Parking, Waiter
from leasehold_api.leases.streams import Stream
from leasehold_protocol.v1.leases import Control
from leasehold_protocol.v1.orders import Orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What an agent gets for its request; both empty when the wait was over first."""

    claimed: list[Claimed]
    control: list[Control]
    orders: Orders | None = None
    """What is ordered of it, when it was called."""


class Dispatch:
    """Serves agents' requests for leases."""

    def __init__(
        self,
        store: LeaseStore,
        parking: Parking,
        presence: PresenceStore,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._parking = parking
        self._presence = presence
        self._clock = clock

    async def hand_out(self, holder: AgentCaller, *, most: int, wait_s: float) -> Handed:
        """Return leases or news for ``holder``, after ``wait_s`` seconds at the latest; for no slots only news."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + wait_s
        while True:
            weight = await self._presence.weight_of(
                holder.site_id
            )  # before: nothing is awaited between that and parking
            placements = await self._placements(holder) if most else frozenset[str]()
            with self._parking.park(
                agent=holder.agent_id,
                site=holder.site_id,
                placements=placements,
                capacity=most,
                policy=holder.policy,
                weight=weight,
            ) as waiter:
                handed = await self._look_twice(holder, waiter, most=most, wait_s=ends_at - loop.time())
            if handed is not None:
                return handed
            if self._parking.closed or loop.time() >= ends_at:
                return Handed(claimed=[], control=[])

    async def follow(self, holder: AgentCaller, stream: Stream, *, sign_of_life_s: float) -> AsyncGenerator[Handed]:
        """Yield leases and news for a stream as they come, and nothing in them as a sign of life; until it ends."""
        while not (stream.has_ended or self._parking.closed):
            weight = await self._presence.weight_of(
                holder.site_id
            )  # before: nothing is awaited between that and parking
            placements = await self._placements(holder) if stream.left else frozenset[str]()
            with self._parking.park(
                agent=holder.agent_id,
                site=holder.site_id,
                placements=placements,
                capacity=stream.left,
                policy=holder.policy,
                weight=weight,
            ) as waiter:
                news = self._while_parked(holder, stream, waiter, sign_of_life_s)
                async with aclosing(news):
                    async for handed in news:
                        yield handed

    async def control(self, agent_id: str) -> list[Control]:
        """Return what this agent shall do besides taking leases."""
        cancellations = await self._store.cancellations(agent_id)
        return [Control(kind="cancel", attempt=attempt, reason=reason) for attempt, reason in cancellations]

    async def _placements(self, holder: AgentCaller) -> frozenset[str]:
        return await self._presence.placements_of(holder.site_id, holder.agent_id)

    async def _look_twice(self, holder: AgentCaller, waiter: Waiter, *, most: int, wait_s: float) -> Handed | None:
        """Look at once; when there is nothing, wait to be woken and look again."""
        handed: Handed | None = None
        try:
            handed = await self._look(holder, waiter, most)
            if handed is None and wait_s > 0 and not self._parking.closed and await waiter.wait(wait_s):
                handed = await self._look(holder, waiter, most)
            if handed is None:
                self._parking.looked_in_vain(waiter)
        finally:
            # Also when the agent went away meanwhile: what it was woken for is still queued.
            taken = len(handed.claimed) if handed else 0
            self._parking.pass_on(waiter.woken_for[taken:])
        return handed

    async def _while_parked(
        self, holder: AgentCaller, stream: Stream, waiter: Waiter, sign_of_life_s: float
    ) -> AsyncGenerator[Handed]:
        """Yield what comes until something was taken, or the waiter has to be parked anew."""
        most, taken = stream.left, 0
        try:
            with stream.waking(waiter.wake):
                handed = await self._look(holder, waiter, most)
                while handed is None and not await waiter.wait(sign_of_life_s):
                    yield Handed(claimed=[], control=[])
                if handed is None and not (stream.has_ended or self._parking.closed) and stream.left >= most:
                    handed = await self._look(holder, waiter, most)
            if handed is None:
                self._parking.looked_in_vain(waiter)
                return
            taken = len(handed.claimed)
            stream.sent += taken
            yield handed
        finally:
            # Also when the agent went away meanwhile: what it was woken for is still queued.
            self._parking.pass_on(waiter.woken_for[taken:])

    async def _look(self, holder: AgentCaller, waiter: Waiter, most: int) -> Handed | None:
        if waiter.called:
            control = await self.control(holder.agent_id)
            return Handed(claimed=[], control=control, orders=await self._presence.orders_of(holder.agent_id))
        if most == 0:
            return None
        claimed = await self._store.claim(holder, most=most, now=self._clock())
        return Handed(claimed=claimed, control=[]) if claimed else None
