"""Pull: asks for as many leases as there are free slots, and waits for the answer."""

from __future__ import annotations

import asyncio
from typing import Protocol

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import boottime
from leasehold_agent.errors import UnavailableError
from leasehold_agent.link.greetings import Greetings
from leasehold_agent.link.port import LinkOwner
from leasehold_protocol.v1.leases import LeaseAnswer, LeaseRequest, OutcomeBatch


class LeaseApi(Protocol):
    """What is needed of ``link.api.Api``."""

    async def lease(self, request: LeaseRequest) -> LeaseAnswer: ...


class Pull:
    """Asks for leases, one request after the other."""

    def __init__(self, api: LeaseApi, owner: LinkOwner, roster: Roster, greetings: Greetings) -> None:
        self._api = api
        self._owner = owner
        self._roster = roster
        self._greetings = greetings

    async def take(self) -> None:
        """Ask once for leases, or wait until there is a free slot."""
        if self._roster.free == 0:
            return await self._something_to_do()
        asked_at = boottime()
        try:
            answer = await self._lease()
        except UnavailableError:
            self._greetings.answer_was_lost()
            raise
        if answer is None:
            self._greetings.answer_was_lost()
        else:
            self._owner.leased(answer, asked_at)
        return None

    def offer(self, batch: OutcomeBatch) -> OutcomeBatch:
        """Ask for the next leases in the same breath."""
        return batch

    def offer_failed(self, batch: OutcomeBatch) -> None:
        """Its answer may have had leases."""
        if batch.free_slots:
            self._greetings.answer_was_lost()

    def grant(self) -> None:
        """There is no stream."""

    def _wait(self) -> float:
        longest, again_s = min(50.0, self._owner.poll_wait_s), self._greetings.again_in_s()
        return longest if again_s is None else min(longest, again_s)

    async def _lease(self) -> LeaseAnswer | None:
        """Ask for leases; nothing, when they are not wanted any more before the answer is here."""
        request = LeaseRequest(free_slots=self._roster.free, wait_s=self._wait())
        asking = asyncio.ensure_future(self._api.lease(request))
        unwanted = asyncio.ensure_future(self._greetings.unwanted(lambda: bool(self._roster.paused_because)))
        try:
            await asyncio.wait([asking, unwanted], return_when=asyncio.FIRST_COMPLETED)
            return await asking if asking.done() else None
        finally:
            asking.cancel()
            unwanted.cancel()

    async def _something_to_do(self) -> None:
        changed = asyncio.ensure_future(self._roster.changed())
        due = asyncio.ensure_future(self._greetings.is_due.wait())
        again_s = self._greetings.again_in_s()
        try:
            await asyncio.wait([changed, due], timeout=again_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            due.cancel()
