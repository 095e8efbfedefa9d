"""What every store of schedules promises of DAGs that go by time and by assets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from leasehold_protocol.v1.leases import EndingKind
from tests.api.contracts.schedules import HOUR, READINGS, begin_all, by, end_one, runs_of
from tests.support.databases import open_database
from tests.support.world import NOW, TEAM, World, program

BOTH: dict[str, Any] = {"cron": ["0 * * * *"], "assets": {"kind": "asset", "asset": READINGS}}


async def write_readings(world: World) -> None:
    """Let another DAG write the asset."""
    await world.run(program("collect", outlets=[READINGS], priority=9), dag="collect")
    await end_one(world)


async def begun(world: World) -> list[tuple[str, float, bool]]:
    """Return trigger, logical date and whether it has a data interval, of every run."""
    return [
        (run.trigger, run.logical_date.timestamp() - NOW, run.data_interval_start is not None)
        for run in await runs_of(world)
    ]


class AssetOrTimeContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _):
            world = await World(database).settle()
            await world.deploy(program("a"), schedule=BOTH)
            yield world

    async def test_either_begins_a_run_and_neither_moves_the_other(self, world: World) -> None:
        world.now = NOW + 600
        await write_readings(world)
        await begin_all(world)
        world.now = NOW + HOUR
        await begin_all(world)

        assert await begun(world) == [("asset", 600.0, False), ("scheduled", HOUR, True)]
        assert await world.schedules.next_deadline() == NOW + 2 * HOUR

    async def test_a_run_by_time_leaves_the_events_to_the_next_one_by_assets(self, world: World) -> None:
        world.now = NOW + HOUR
        await begin_all(world)
        (by_time,) = await world.claim()
        await world.end(by_time, EndingKind.SUCCESS)
        await write_readings(world)
        await begin_all(world)

        (by_assets,) = await world.claim()
        assert by_time.run.triggering_events == []
        assert [event.asset for event in by_assets.run.triggering_events] == ["plant/readings"]

    async def test_both_due_at_once_begin_a_run_each(self, world: World) -> None:
        world.now = NOW + HOUR
        await write_readings(world)
        await begin_all(world)

        assert sorted(await begun(world)) == [("asset", HOUR, False), ("scheduled", HOUR, True)]

    async def test_what_comes_while_it_is_paused_begins_one_run_of_each_afterwards(self, world: World) -> None:
        await world.schedules.pause(TEAM, "report", note=None, by=by(world))
        world.now = NOW + 2 * HOUR
        await write_readings(world)
        await write_readings(world)
        await begin_all(world)
        none = await begun(world)

        await world.schedules.unpause(TEAM, "report", by=by(world))
        await begin_all(world)

        assert none == []
        assert sorted(await begun(world)) == [("asset", 2 * HOUR, False), ("scheduled", 2 * HOUR, True)]

    async def test_what_comes_while_there_is_no_room_begins_when_there_is(self, world: World) -> None:
        await world.deploy(program("a"), schedule=BOTH, max_active_runs=1)
        world.now = NOW + HOUR
        await begin_all(world)
        await write_readings(world)
        await begin_all(world)
        await write_readings(world)
        await begin_all(world)
        meanwhile = len(await begun(world))

        for _ in range(4):
            world.now += 60
            for claimed in await world.claim(most=4):
                await world.end(claimed, EndingKind.SUCCESS)
            await begin_all(world)

        assert meanwhile == 2
        assert [trigger for trigger, _, _ in await begun(world)].count("asset") == 2

    async def test_it_is_told_in_words(self, world: World) -> None:
        standing = await world.schedules.pause(TEAM, "report", note=None, by=by(world))

        assert standing.text == "0 * * * * (UTC) or on assets"

    async def test_another_schedule_forgets_what_was_written(self, world: World) -> None:
        await write_readings(world)
        await world.deploy(program("a"), schedule={"cron": ["0 * * * *"]})
        await begin_all(world)

        assert await begun(world) == []
