"""The link's loop: says hello, then lets leases come in the way that is chosen, for ever."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.backoff import LONGEST_S, Backoff, pauses
from leasehold_agent.clock import boottime
from leasehold_agent.errors import LinkError, LockedError, RefusedError, UnavailableError
from leasehold_agent.link.choice import Choice
from leasehold_agent.link.greetings import Greetings
from leasehold_agent.link.port import GreetingApi, LinkOwner
from leasehold_protocol.v1.leases import OutcomeBatch

LATE_OUTCOMES_S = 10.0
"""How long work may wait for outcomes that an outage held up."""


class Link:
    """Keeps leases coming."""

    def __init__(
        self, api: GreetingApi, owner: LinkOwner, roster: Roster, greetings: Greetings, choice: Choice
    ) -> None:
        self._api = api
        self._owner = owner
        self._roster = roster
        self._greetings = greetings
        self._choice = choice
        self._backoff = Backoff()
        self.granting = asyncio.Lock()
        """Held around every other request that may bring leases. ``hello`` says which attempts are here, so no lease
        may be on its way meanwhile: the API would take it for lost."""

    async def run(self) -> None:
        """Keep leases coming, until cancelled."""
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
        """Say hello now: what is said there changed."""
        self._greetings.soon()

    async def greet(self) -> None:
        """Say hello, and take what the API answers."""
        async with self.granting:
            self._greetings.begin()
            said = self._owner.hello()
            try:
                answer = await self._api.hello(said)
            except BaseException:
                self._greetings.failed()
                raise
            self._choice.greeted(answer)
            self._owner.greeted(said, answer)
            self._greetings.said()

    async def step(self) -> None:
        """Do the one thing that is due: greet, or take leases."""
        if self._greetings.look():
            await self.greet()
            return await self._let_late_outcomes_go_first()
        # While a second greeting is to come, leases are pulled: such a request has an end, and loses nothing by it.
        return await self._choice.way(is_settled=self._greetings.is_settled).take()

    def offer(self, batch: OutcomeBatch) -> OutcomeBatch:
        """Return a batch of outcomes with what the way in use says of free slots."""
        return self._choice.in_use.offer(batch)

    def offer_failed(self, batch: OutcomeBatch) -> None:
        """Nobody knows whether the API heard what ``offer`` said."""
        self._choice.in_use.offer_failed(batch)

    async def _let_late_outcomes_go_first(self) -> None:
        """After an outage, tell what ended in it before asking for work: its tasks may be queued again by now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_OUTCOMES_S):
                while self._roster.has_late_outcomes(boottime()):
                    await self._roster.changed()

    def _wait_after(self, error: LinkError) -> float:
        if isinstance(error, LockedError | RefusedError):
            # Only a person can change that; until then asking often helps nobody.
            return LONGEST_S
        return self._backoff.after_failure(error.retry_after_s if isinstance(error, UnavailableError) else None)
