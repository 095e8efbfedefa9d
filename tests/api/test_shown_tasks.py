"""What people see of one task instance: what it calls itself, and what its arguments came to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from leasehold_api.errors import NotFoundError
from leasehold_protocol.v1.leases import EndingKind, HeldLease, Rendered, RenderedField
from tests.support.databases import open_database
from tests.support.world import NORTH, TEAM, World, outcome, program

SHOWN = Rendered(fields=[RenderedField(name="day", text="2026-11-22"), RenderedField(name="rows", text="[1", cut=True)])


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    with open_database(request.param) as (database, _):
        yield await World(database).settle()


async def test_the_arguments_of_an_attempt_are_shown_with_its_task_instance_only(world: World) -> None:
    run = await world.run(program("extract"), program("load"))
    claimed = next(one for one in await world.claim(most=2) if one.entry.id == "extract")
    ended = outcome(claimed, EndingKind.SUCCESS, world.now).model_copy(update={"rendered": SHOWN})

    await world.leases.complete(NORTH, [ended], now=world.now)

    whole = await world.runs.task_instance(TEAM, run, "extract", -1)
    listed = await world.task(run, "extract")
    assert [attempt.rendered for attempt in whole.attempts] == [SHOWN]
    assert [attempt.rendered for attempt in listed.attempts] == [None]
    assert whole.task_instance == listed.task_instance


async def test_a_label_is_seen_while_the_task_runs_and_afterwards(world: World) -> None:
    run = await world.run(program("extract"))
    (claimed,) = await world.claim()

    await world.leases.renew(NORTH, [HeldLease(attempt=claimed.attempt, label="plant north")], now=world.now)
    running = (await world.task(run, "extract")).label
    await world.end(claimed)
    kept = (await world.task(run, "extract")).label

    assert (running, kept) == ("plant north", "plant north")


async def test_a_short_tasks_label_comes_with_its_ending(world: World) -> None:
    run = await world.run(program("extract"))
    (claimed,) = await world.claim()

    await world.end(claimed, label="plant south")

    assert (await world.task(run, "extract")).label == "plant south"


@pytest.mark.parametrize(("task", "map_index"), [("nothing", -1), ("extract", 3)])
async def test_a_task_instance_that_is_not_there_is_not_found(world: World, task: str, map_index: int) -> None:
    run = await world.run(program("extract"))

    with pytest.raises(NotFoundError, match="leasehold runs show"):
        await world.runs.task_instance(TEAM, run, task, map_index)
    with pytest.raises(NotFoundError):
        await world.runs.task_instance("team_other", run, "extract", -1)
