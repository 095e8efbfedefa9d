"""The pull loop: says hello, then asks for as many leases as there are free slots, and waits for the answer."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.backoff import LONGEST_S, Backoff, pauses
from leasehold_agent.clock import boottime
from leasehold_agent.errors import LinkError, LockedError, RefusedError, UnavailableError
from leasehold_protocol.v1.agents import Hello, HelloAnswer
from leasehold_protocol.v1.leases import LeaseAnswer, LeaseRequest

LATE_OUTCOMES_S = 10.0
"""How long work may wait for outcomes that an outage held up."""
SETTLED_AFTER_S = 4.0
"""After this long ``hello`` is said again when an answer was lost; the API leaves alone what is 3 s old or less."""
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
        self._again_at: float | None = None
        self.hello_is_due = asyncio.Event()
        self.hello_is_due.set()
        self._is_unsettled = False
        self._cut_short = asyncio.Event()
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
                asked_s = error.retry_after_s if isinstance(error, UnavailableError) else None
                await pauses.wait(self._wait_after(error), asked_s=asked_s)
            else:
                if self._backoff.after_success():
                    pauses.end()
                self._owner.link_is(None)

    def greet_soon(self) -> None:
        """Say hello now: what is said there changed, and a request that waits must not hold that up."""
        self.hello_is_due.set()
        self._cut_short.set()

    async def greet(self) -> None:
        """Say hello, and take what the API answers."""
        async with self.granting:
            self.hello_is_due.clear()
            self._cut_short.clear()
            said = self._owner.hello()
            try:
                answer = await self._api.hello(said)
            except BaseException:
                self.hello_is_due.set()
                raise
            self._owner.greeted(said, answer)
            if self._is_unsettled:
                self._is_unsettled = False
                self._again_at = boottime() + SETTLED_AFTER_S

    async def step(self) -> None:
        """Do the one thing that is due: greet, ask for leases, or wait until there is a free slot."""
        if self._again_at is not None and boottime() >= self._again_at:
            self._again_at = None
            self.hello_is_due.set()
        if self.hello_is_due.is_set():
            await self.greet()
            return await self._let_late_outcomes_go_first()
        if self._roster.free == 0:
            return await self._something_to_do()
        asked_at = boottime()
        try:
            answer = await self._lease(asked_at)
        except UnavailableError:
            self.answer_was_lost()
            raise
        if answer is None:
            self.answer_was_lost()
        else:
            self._owner.leased(answer, asked_at)
        return None

    async def _let_late_outcomes_go_first(self) -> None:
        """After an outage, tell what ended in it before asking for work: its tasks may be queued again by now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_OUTCOMES_S):
                while self._roster.has_late_outcomes(boottime()):
                    await self._roster.changed()

    def answer_was_lost(self) -> None:
        """The answer that was lost may have had leases in it: ``hello`` tells the API that they are not here.

        It is said twice. The first frees what was given well before; the second, a little later, what was given at the
        last moment, or to a request that the API still had after we had given it up.
        """
        self._is_unsettled = True
        self.hello_is_due.set()

    def _wait(self, now: float) -> float:
        longest = min(50.0, self._owner.poll_wait_s)
        return longest if self._again_at is None else max(0.0, min(longest, self._again_at - now))

    async def _lease(self, now: float) -> LeaseAnswer | None:
        """Ask for leases; nothing, when they are not wanted any more before the answer is here."""
        request = LeaseRequest(free_slots=self._roster.free, wait_s=self._wait(now))
        asking = asyncio.ensure_future(self._api.lease(request))
        unwanted = asyncio.ensure_future(self._unwanted())
        try:
            await asyncio.wait([asking, unwanted], return_when=asyncio.FIRST_COMPLETED)
            return await asking if asking.done() else None
        finally:
            asking.cancel()
            unwanted.cancel()

    async def _unwanted(self) -> None:
        """Wait until leases that are on their way would come too late: the agent was paused, or is to say hello."""
        cut_short = asyncio.ensure_future(self._cut_short.wait())
        try:
            while not (self._roster.paused_because or cut_short.done()):
                changed = asyncio.ensure_future(self._roster.changed())
                try:
                    await asyncio.wait([changed, cut_short], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
        finally:
            cut_short.cancel()

    async def _something_to_do(self) -> None:
        changed = asyncio.ensure_future(self._roster.changed())
        due = asyncio.ensure_future(self.hello_is_due.wait())
        again_s = None if self._again_at is None else max(0.0, self._again_at - boottime())
        try:
            await asyncio.wait([changed, due], timeout=again_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            due.cancel()

    def _wait_after(self, error: LinkError) -> float:
        if isinstance(error, LockedError | RefusedError):
            # Only a person can change that; until then asking often helps nobody.
            return LONGEST_S
        return self._backoff.after_failure(error.retry_after_s if isinstance(error, UnavailableError) else None)
