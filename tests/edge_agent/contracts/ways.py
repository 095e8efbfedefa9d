"""What every way of taking leases promises: pull and push inherit these tests."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.attempts.roster import Held, Phase, Roster
from leasehold_agent.clock import boottime
from leasehold_agent.errors import LinkError, Trouble, UnavailableError
from leasehold_agent.health.reasons import Name
from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.oauth import Granted
from leasehold_agent.link.greetings import Greetings
from leasehold_agent.link.port import Way
from leasehold_protocol.v1.agents import Hello, HelloAnswer
from leasehold_protocol.v1.grants import StreamGrant, StreamRequest
from leasehold_protocol.v1.leases import LeaseAnswer, LeaseRequest
from leasehold_protocol.v1.stream import StreamLine
from tests.edge_agent.model_api import shell_lease

SLOTS = 2


class OfferingApi:
    """Has attempts to give away, both ways, and counts what it may."""

    def __init__(self) -> None:
        self.queue: list[str] = []
        self.came = asyncio.Event()
        self.is_asked = asyncio.Event()
        self.left = 0
        """How many more leases it may send on the stream."""
        self.sent = 0
        self.grants: list[StreamGrant] = []
        self.is_granted = asyncio.Event()
        self.breaks = asyncio.Event()
        self.first_line = asyncio.Event()
        self.first_line.set()
        self.error: LinkError = UnavailableError(Trouble.BROKEN)

    def offer(self, *attempts: str) -> None:
        self.queue += attempts
        self.came.set()

    async def lease(self, request: LeaseRequest) -> LeaseAnswer:
        await self._something(request.free_slots)
        return self._taken(request.free_slots)

    async def stream(self, request: StreamRequest) -> AsyncGenerator[StreamLine, None]:
        self.left, self.sent = request.free_slots, 0
        await self.first_line.wait()
        yield StreamLine(kind="opened", keepalive_s=50, granted=request.free_slots)
        while True:
            await self._something(self.left)
            leases = self._taken(self.left).leases
            self.left, self.sent = self.left - len(leases), self.sent + len(leases)
            yield StreamLine(kind="news", leases=leases)

    async def grant(self, grant: StreamGrant) -> None:
        self.grants.append(grant)
        self.is_granted.set()
        self.left = grant.granted - self.sent
        self.came.set()

    async def is_there(self) -> bool:
        return True

    async def _something(self, most: int) -> None:
        self.is_asked.set()
        while not (self.queue and most) and not self.breaks.is_set():
            self.came.clear()
            waits = [asyncio.ensure_future(event.wait()) for event in (self.came, self.breaks)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            most = max(most, self.left)
        if self.breaks.is_set():
            raise self.error

    def _taken(self, most: int) -> LeaseAnswer:
        taken, self.queue = self.queue[:most], self.queue[most:]
        return LeaseAnswer(leases=[shell_lease(attempt, "true") for attempt in taken])


class Owner:
    """Takes leases into a roster."""

    poll_wait_s = 50.0

    def __init__(self, roster: Roster, folder: Path) -> None:
        self._roster = roster
        self._folder = folder
        self.most_at_once = 0

    def hello(self) -> Hello:
        raise AssertionError("a way says no hello")

    def greeted(self, said: Hello, answer: HelloAnswer) -> None: ...
    def link_is(self, trouble: LinkError | None) -> None: ...

    def leased(self, answer: LeaseAnswer, asked_at: float) -> None:
        for lease in answer.leases:
            directory = AttemptDirectory(self._folder / lease.attempt)
            self._roster.add(
                Held(
                    directory=directory,
                    phase=Phase.RUNNING,
                    length_s=lease.length_s,
                    deadline=asked_at + lease.length_s,
                    task_token=CachedToken(_no_token),
                )
            )
        self.most_at_once = max(self.most_at_once, len(self._roster.held))


async def _no_token() -> Granted:
    raise AssertionError("nobody asks for one")


class WayContract:
    """The promise."""

    @pytest.fixture(autouse=True)
    def _around(self, tmp_path: Path) -> None:
        self.api, self.roster = OfferingApi(), Roster(SLOTS)
        self.owner = Owner(self.roster, tmp_path)
        self.greetings = Greetings(self.roster, boottime)
        self.greetings.begin()
        self.way = self.make()

    @abstractmethod
    def make(self) -> Way:
        """Return the way on ``self.api``, ``self.owner``, ``self.roster`` and ``self.greetings``."""

    async def keep_taking(self) -> None:
        while True:
            await self.way.take()

    async def held(self, *attempts: str) -> None:
        async with asyncio.timeout(10):
            while [one.attempt for one in self.roster.held] != list(attempts):
                await self.roster.changed()

    async def test_leases_come_as_slots_become_free_and_never_more(self) -> None:
        taking = asyncio.ensure_future(self.keep_taking())
        self.api.offer("ti_a.1", "ti_b.1", "ti_c.1")
        await self.held("ti_a.1", "ti_b.1")

        self.roster.remove(self.roster.held[0])

        await self.held("ti_b.1", "ti_c.1")
        assert self.owner.most_at_once == SLOTS
        taking.cancel()

    @pytest.mark.parametrize("is_full", [False, True])
    async def test_it_gives_way_to_hello_at_once(self, is_full: bool) -> None:
        if is_full:
            self.roster.set_order(1)
            self.api.offer("ti_a.1")
        taking = asyncio.ensure_future(self.keep_taking_until_hello())
        await self.api.is_asked.wait()

        self.greetings.soon()

        async with asyncio.timeout(10):
            await taking

    async def keep_taking_until_hello(self) -> None:
        while not self.greetings.look():
            await self.way.take()

    async def test_a_pause_with_leases_perhaps_on_their_way_is_a_lost_answer(self) -> None:
        taking = asyncio.ensure_future(self.keep_taking_until_hello())
        await self.api.is_asked.wait()

        self.roster.pause(Name.OPERATOR, "paused")

        async with asyncio.timeout(10):
            await taking
        self.greetings.said()
        assert not self.greetings.is_settled, "hello will be said twice"

    async def test_a_broken_line_is_an_error_and_a_lost_answer(self) -> None:
        taking = asyncio.ensure_future(self.way.take())
        await self.api.is_asked.wait()

        self.api.breaks.set()

        with pytest.raises(UnavailableError):
            async with asyncio.timeout(10):
                await taking
        self.greetings.said()
        assert not self.greetings.is_settled
