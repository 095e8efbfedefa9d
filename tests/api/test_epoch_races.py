"""A stale epoch is refused in the transaction that has the effect: tried with two processes' engines on PostgreSQL.

One is stopped between the comparison of the epoch and the write that it fences; meanwhile the other takes the lease
away and hands it out anew. Either the write counts and the other had to wait, or it is refused: never both.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlalchemy import text

from leasehold_api.errors import LeaseLostError
from leasehold_api.leases.claimed import Claimed
from leasehold_api.storage import sql_attempts, sql_endings
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.tables import metadata
from tests.support.databases import fresh_postgresql
from tests.support.world import NORTH, SOUTH, World, program

PATIENCE_S = 20.0
_WAITS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


class Stop:
    """A place in the code where the first to come waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
        self._reached, self._go, self._first = threading.Event(), threading.Event(), threading.Lock()
        act: Callable[..., Any] = getattr(module, name)

        def stopped(*arguments: Any, **more: Any) -> Any:
            if self._first.acquire(blocking=False):
                self._reached.set()
                assert self._go.wait(PATIENCE_S), "nobody lets it go"
            return act(*arguments, **more)

        monkeypatch.setattr(module, name, stopped)

    async def reached(self) -> None:
        """Wait until somebody stands there."""
        assert await asyncio.to_thread(self._reached.wait, PATIENCE_S), "nobody came"

    def let_go(self) -> None:
        """Let it go on."""
        self._go.set()


@pytest.fixture
async def worlds() -> AsyncIterator[tuple[World, World]]:
    """The same rows as two processes see them: engines, writers and threads of their own."""
    with fresh_postgresql() as url:
        databases = [Database(make_engine(url), publish=lambda _signals: None) for _ in range(2)]
        metadata.create_all(databases[0].engine)
        try:
            yield await World(databases[0]).settle(), World(databases[1])
        finally:
            for database in databases:
                database.close()


async def take_over(world: World) -> list[Claimed]:
    """Let the lease run out, and lease the task to another agent."""
    world.now += 100_000
    await world.leases.expire(now=world.now)
    world.now += 100_000
    await world.leases.queue_due(now=world.now)
    return await world.claim(SOUTH)


async def ended_or_waiting(work: asyncio.Task[Any], world: World) -> None:
    """Return once ``work`` is done, or the database makes it wait."""

    async def look() -> None:
        while not work.done() and not await world.database.read(lambda c: c.execute(_WAITS).scalar_one()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # asked again: the database tells nobody that somebody waits

    await asyncio.wait_for(look(), PATIENCE_S)


async def test_a_write_that_passed_the_comparison_is_done_before_anybody_else_gets_the_lease(
    worlds: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = worlds
    await first.run(program("extract", retries=3))
    (held,) = await first.claim()
    stop = Stop(monkeypatch, sql_attempts, "put_xcom")
    attempt = f"{held.task_instance}.{held.epoch}"

    writing = asyncio.create_task(write_xcom(first, attempt))
    await stop.reached()
    taking = asyncio.create_task(take_over(second))
    await ended_or_waiting(taking, first)
    came_between = taking.done() and bool(taking.result())
    stop.let_go()
    was_written = await writing
    await taking

    assert (was_written, came_between) in {(True, False), (False, True)}


async def test_an_outcome_that_passed_the_comparison_counts_before_anybody_else_gets_the_lease(
    worlds: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = worlds
    run = await first.run(program("extract", retries=3))
    (held,) = await first.claim()
    stop = Stop(monkeypatch, sql_endings, "_end_attempt")

    ending = asyncio.create_task(first.end(held, result=1))
    await stop.reached()
    taking = asyncio.create_task(take_over(second))
    await ended_or_waiting(taking, first)
    came_between = taking.done() and bool(taking.result())
    stop.let_go()
    verdict = await ending
    await taking

    assert (verdict, came_between) in {("recorded", False), ("stale", True)}
    assert (await first.states(run))["extract"] == ("running" if came_between else "success")


async def write_xcom(world: World, attempt: str) -> bool:
    """Write a result; say whether it was taken."""
    try:
        await world.attempts.put_xcom(NORTH.agent_id, attempt, "return_value", value="1", size=1, upload=None)
    except LeaseLostError:
        return False
    return True
