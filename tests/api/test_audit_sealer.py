"""When the sealer seals: soon after each signal, once for many, again when there is more, and after trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from leasehold_api import clock
from leasehold_api.audit.sealer import AuditSealer
from leasehold_api.audit.trail import Trail
from leasehold_api.errors import UnavailableError


class Steps(Trail):
    """A trail that says when it is sealed, and answers what the test wants."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[int] = asyncio.Queue()
        self.answers: list[bool | Exception] = []
        self.count = 0

    async def seal(self) -> bool:
        """Count a step."""
        self.count += 1
        self.taken.put_nowait(self.count)
        answer = self.answers.pop(0) if self.answers else False
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def next(self) -> int:
        """Wait for the next step."""
        async with asyncio.timeout(20):
            return await self.taken.get()


@pytest.fixture
async def scheduler() -> AsyncIterator[AsyncIOScheduler]:
    made = AsyncIOScheduler(timezone="UTC")
    made.start()
    yield made
    made.shutdown(wait=False)


@pytest.fixture
async def steps() -> Steps:
    return Steps()


@pytest.fixture
async def sealer(steps: Steps, scheduler: AsyncIOScheduler) -> AuditSealer:
    return AuditSealer(steps, scheduler, clock=clock.now)


async def test_many_signals_are_one_step(sealer: AuditSealer, steps: Steps, scheduler: AsyncIOScheduler) -> None:
    for _ in range(100):
        sealer.look()

    assert len(scheduler.get_jobs()) == 1
    assert await steps.next() == 1
    assert scheduler.get_jobs() == []


async def test_when_there_is_more_it_comes_again(sealer: AuditSealer, steps: Steps) -> None:
    steps.answers = [True]

    sealer.look()

    assert [await steps.next(), await steps.next()] == [1, 2]


async def test_trouble_with_the_database_is_survived(sealer: AuditSealer, steps: Steps) -> None:
    steps.answers = [UnavailableError("the database can't be reached")]
    sealer.look()
    await steps.next()
    await asyncio.sleep(0)

    sealer.look()

    assert await steps.next() == 2


async def test_what_an_earlier_process_left_is_sealed_at_the_start(sealer: AuditSealer, steps: Steps) -> None:
    sealer.start()

    assert await steps.next() == 1


async def test_nothing_begins_after_closing(sealer: AuditSealer, scheduler: AsyncIOScheduler) -> None:
    await sealer.close()

    sealer.look()

    assert scheduler.get_jobs() == []
