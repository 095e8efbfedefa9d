"""The pull loop: says hello, then asks for as many leases as there are free slots, and waits for the answer."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.backoff import LONGEST_S, Backoff
from leasehold_agent.clock import boottime
from leasehold_agent.errors import LinkError, LockedError, RefusedError, UnavailableError
from leasehold_protocol.v1.agents import Hello, HelloAnswer
from leasehold_protocol.v1.leases import LeaseAnswer, LeaseRequest

logger = logging.getLogger(__name__)


class LeaseApi(Protocol):
    """What is needed of ``link.api.Api``."""

    async def hello(self, hello: Hello) -> HelloAnswer: ...
    async def lease(self, request: LeaseRequest) -> LeaseAnswer: ...


class LinkOwner(Protocol):
    """Who runs the loop: composes the greeting, and takes what the API answers."""

    poll_wait_s: float

    def hello(self) -> Hello:
        """Return the greeting as of now."""
        ...

    def greeted(self, said: Hello, answer: HelloAnswer) -> None:
        """Take the answer to the greeting that was sent."""
        ...

    def leased(self, answer: LeaseAnswer, asked_at: float) -> None:
        """Take leases and control events."""
        ...

    def link_is(self, trouble: LinkError | None) -> None:
        """Take how the last request went."""
        ...


class Pull:
    """Keeps leases coming."""

    def __init__(self, api: LeaseApi, owner: LinkOwner, roster: Roster) -> None:
        self._api = api
        self._owner = owner
        self._roster = roster
        self._backoff = Backoff()
        self.hello_is_due = asyncio.Event()
        self.hello_is_due.set()
        self.granting = asyncio.Lock()
        """Held around every other request that may bring leases. ``hello`` says which attempts are here, so no lease
        may be on its way meanwhile: the API would take it for lost."""

    async def run(self) -> None:
        """Pull, until cancelled."""
        while True:
            try:
                await self.step()
            except LinkError as error:
                self._owner.link_is(error)
                await asyncio.sleep(self._wait_after(error))
            else:
                self._backoff.after_success()
                self._owner.link_is(None)

    async def greet(self) -> None:
        """Say hello, and take what the API answers."""
        async with self.granting:
            self.hello_is_due.clear()
            said = self._owner.hello()
            try:
                answer = await self._api.hello(said)
            except BaseException:
                self.hello_is_due.set()
                raise
            self._owner.greeted(said, answer)

    async def step(self) -> None:
        """Do the one thing that is due: greet, ask for leases, or wait until there is a free slot."""
        if self.hello_is_due.is_set():
            return await self.greet()
        if self._roster.free == 0:
            return await self._something_to_do()
        asked_at = boottime()
        try:
            answer = await self._api.lease(
                LeaseRequest(free_slots=self._roster.free, wait_s=min(50.0, self._owner.poll_wait_s))
            )
        except UnavailableError:
            # The answer that was lost may have had leases in it: `hello` tells the API that they are not here.
            self.hello_is_due.set()
            raise
        self._owner.leased(answer, asked_at)
        return None

    async def _something_to_do(self) -> None:
        changed = asyncio.ensure_future(self._roster.changed())
        due = asyncio.ensure_future(self.hello_is_due.wait())
        try:
            await asyncio.wait([changed, due], return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            due.cancel()

    def _wait_after(self, error: LinkError) -> float:
        if isinstance(error, LockedError | RefusedError):
            # Only a person can change that; until then asking often helps nobody.
            return LONGEST_S
        return self._backoff.after_failure(error.retry_after_s if isinstance(error, UnavailableError) else None)
