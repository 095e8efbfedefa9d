"""Listens to the API while no leases may be asked for: what is ordered or cancelled arrives at once all the same.

A request that is open when slots become free again is left to its end. The pull loop has one of its own by then, and
cutting this one off would cost a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.backoff import LONGEST_S, Backoff, pauses
from leasehold_agent.errors import LinkError, UnavailableError
from leasehold_protocol.v1.leases import LeaseAnswer, LeaseRequest

_SETTLE_S = 0.25
"""Slots that short tasks turn over are free again before it was worth a request."""


class ListeningApi(Protocol):
    """What is needed of ``link.api.Api``."""

    async def lease(self, request: LeaseRequest) -> LeaseAnswer: ...


class ListeningOwner(Protocol):
    """Who takes what the API answers."""

    poll_wait_s: float

    def heard(self, answer: LeaseAnswer) -> None:
        """Take control events and orders."""
        ...

    def link_is(self, trouble: LinkError | None) -> None:
        """Take how the last request went."""
        ...


class Listening:
    """Keeps one request open while there is no free slot."""

    def __init__(
        self, api: ListeningApi, owner: ListeningOwner, roster: Roster, is_understood: Callable[[], bool]
    ) -> None:
        self._api = api
        self._owner = owner
        self._roster = roster
        self._is_understood = is_understood
        """The API takes requests without slots."""

    async def run(self) -> None:
        """Listen, until cancelled."""
        backoff = Backoff()
        while True:
            await self._no_slots()
            try:
                answer = await self._api.lease(LeaseRequest(free_slots=0, wait_s=min(50.0, self._owner.poll_wait_s)))
            except LinkError as error:
                if self._roster.free == 0:
                    self._owner.link_is(error)
                asked_s = error.retry_after_s if isinstance(error, UnavailableError) else LONGEST_S
                await pauses.wait(backoff.after_failure(asked_s), asked_s=asked_s)
            else:
                if backoff.after_success():
                    pauses.end()
                if self._roster.free == 0:
                    self._owner.link_is(None)
                self._owner.heard(answer)

    async def _no_slots(self) -> None:
        """Wait until no leases may be asked for, and stay so for a moment."""
        while True:
            while self._roster.free > 0 or not self._is_understood():
                await self._roster.changed()
            try:
                async with asyncio.timeout(_SETTLE_S):
                    while self._roster.free == 0:
                        await self._roster.changed()
            except TimeoutError:
                return
