"""An outlet has one event for each success of its task, whatever is delivered twice or too late. On both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from leasehold_api.storage import tables
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, World, program

OUTLETS = [{"name": "report", "uri": "s3://report"}]
SAID = {"asset_events": [{"name": "report", "extra": {"rows": 1}}, {"name": "elsewhere", "extra": {}}]}


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A team with two sites, on one of the databases."""
    with open_database(request.param) as (database, _):
        yield await World(database).settle()


async def _events(world: World) -> list[Any]:
    query = select(tables.asset_events).order_by(tables.asset_events.c.id)
    return list(await world.database.read(lambda connection: connection.execute(query).all()))


async def test_a_success_that_is_delivered_twice_has_one_event(world: World) -> None:
    run = await world.run(program("a", outlets=OUTLETS))
    (first,) = await world.claim()

    verdicts = [await world.end(first, **SAID), await world.end(first, **SAID)]

    assert verdicts == ["recorded", "duplicate"]
    (event,) = await _events(world)
    source = (event.dag, event.run_id, event.task, event.map_index, event.try_number, event.extra)
    assert source == ("report", run, "a", -1, 1, '{"rows":1}')


@pytest.mark.parametrize("kind", [EndingKind.FAILED, EndingKind.SKIPPED, EndingKind.RESCHEDULED])
async def test_what_did_not_succeed_has_none(world: World, kind: EndingKind) -> None:
    await world.run(program("a", outlets=OUTLETS))
    (first,) = await world.claim()

    assert await world.end(first, kind, **SAID, again_after_s=5.0) == "recorded"

    assert await _events(world) == []


async def test_a_success_that_comes_too_late_has_none(world: World) -> None:
    await world.run(program("a", outlets=OUTLETS, max_offline_s=60))
    (first,) = await world.claim(NORTH)
    world.now += 60
    await world.leases.expire(now=world.now)
    (second,) = await world.claim(SOUTH)

    assert await world.end(first, by=NORTH, **SAID) == "stale"
    assert await _events(world) == []

    assert await world.end(second, by=SOUTH) == "recorded"
    assert [event.extra for event in await _events(world)] == ["{}"]


async def test_a_lease_says_that_its_task_must_not_start(world: World) -> None:
    await world.run(program("a", outlets=OUTLETS), dag="first")
    await world.run(program("a", outlets=[{"name": "report", "uri": "s3://other"}]), dag="second")

    right, wrong = await world.claim(most=2)

    assert right.inactive_assets is None
    assert wrong.inactive_assets is not None
    assert "its URI is 's3://report' in the DAG first" in wrong.inactive_assets
