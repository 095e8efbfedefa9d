"""What every store of schedules promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from leasehold_api.acting import By
from leasehold_api.errors import NotFoundError
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.tables import metadata
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.runs import RunState, RunSummary
from tests.support.databases import FRESH
from tests.support.world import NOW, TEAM, World, program

HOUR = 3600.0
HOURLY: dict[str, Any] = {"cron": ["0 * * * *"]}
READINGS = {"name": "plant/readings", "uri": "s3://plant/readings"}
PRICES = {"name": "market/prices", "uri": "s3://market/prices"}


def by(world: World) -> By:
    return By(actor="user:operator-1", at=world.now)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def runs_of(world: World, dag: str = "report") -> list[RunSummary]:
    """Return its runs by their logical dates."""
    found = await world.runs.recent(TEAM, dag=dag, state=None, after=None, limit=500)
    return sorted(found, key=lambda run: run.logical_date)


async def dates(world: World, dag: str = "report") -> list[float]:
    return [run.logical_date.timestamp() - NOW for run in await runs_of(world, dag)]


async def begin_all(world: World) -> None:
    """Begin what is due until nothing is, as the timekeeper does."""
    for _ in range(200):
        deadline = await world.schedules.next_deadline()
        if deadline is None or deadline > world.now:
            return
        await world.schedules.begin_due(now=world.now)
    raise AssertionError("it never comes to an end")


async def end_one(world: World, kind: EndingKind = EndingKind.SUCCESS) -> None:
    (claimed,) = await world.claim()
    assert await world.end(claimed, kind) == "recorded"


class SchedulesContract:
    """Inherited once per database."""

    kind: str

    @contextmanager
    def opened(self, url: str) -> Iterator[Database]:
        database = Database(make_engine(url), publish=lambda _signals: None)
        metadata.create_all(database.engine)
        try:
            yield database
        finally:
            database.close()

    @pytest.fixture
    def url(self) -> Iterator[str]:
        with FRESH[self.kind]() as url:
            yield url

    @pytest.fixture
    async def world(self, url: str) -> AsyncIterator[World]:
        with self.opened(url) as database:
            yield await World(database).settle()

    async def test_a_run_begins_when_it_is_due_and_not_before(self, world: World) -> None:
        await world.deploy(program("a"), schedule=HOURLY)

        world.now = NOW + HOUR - 1
        early = await world.schedules.begin_due(now=world.now)
        world.now = NOW + HOUR
        await begin_all(world)

        assert (early, await dates(world)) == (0, [HOUR])
        (run,) = await runs_of(world)
        assert (run.trigger, run.created_by, run.data_interval_start) == ("scheduled", "schedule", at(NOW))
        assert await world.schedules.next_deadline() == NOW + 2 * HOUR
        assert [each.run.data_interval_end for each in await world.claim()] == [at(NOW + HOUR)]

    async def test_of_times_that_were_missed_the_latest_has_a_run(self, world: World) -> None:
        await world.deploy(program("a"), schedule=HOURLY)

        world.now = NOW + 30 * HOUR + 5
        await begin_all(world)

        assert await dates(world) == [30 * HOUR]

    async def test_with_catch_up_each_has_one_as_many_at_once_as_may_be(self, world: World) -> None:
        start = at(NOW - 5 * HOUR).isoformat()
        schedule = {**HOURLY, "start": start, "catchup": True}
        await world.deploy(program("a"), schedule=schedule, max_active_runs=2)

        await begin_all(world)
        first = [run.state for run in await runs_of(world)]
        for _ in range(6):
            await end_one(world)
            assert sum(run.state is RunState.RUNNING for run in await runs_of(world)) <= 2
            await begin_all(world)

        assert first == [RunState.RUNNING, RunState.RUNNING, RunState.QUEUED]
        assert await dates(world) == [-5 * HOUR, -4 * HOUR, -3 * HOUR, -2 * HOUR, -HOUR, 0.0]
        assert {run.state for run in await runs_of(world)} == {RunState.SUCCESS}

    async def test_a_run_that_waits_for_its_turn_begins_with_the_end_of_another(self, world: World) -> None:
        await world.deploy(program("a"), max_active_runs=1)
        first, second, third = [await world.trigger() for _ in range(3)]
        waiting = await world.look(second)

        await end_one(world)

        assert (waiting.state, waiting.tasks) == (RunState.QUEUED, [])
        assert "max_active_runs" in (waiting.reason or "")
        states = [(await world.look(run)).state.value for run in (first, second, third)]
        assert states == ["success", "running", "queued"]

    async def test_a_run_that_waits_for_its_turn_can_be_cancelled(self, world: World) -> None:
        await world.deploy(program("a"), max_active_runs=1)
        await world.trigger()
        second = await world.trigger()

        await world.runs.cancel(TEAM, second, reason="wrong day", by=by(world))
        await end_one(world)

        assert (await world.look(second)).state is RunState.CANCELLED
        assert await world.claim() == []

    async def test_a_deploy_that_raises_the_limit_begins_what_waits(self, world: World) -> None:
        await world.deploy(program("a"), max_active_runs=1)
        await world.trigger()
        second = await world.trigger()

        await world.deploy(program("a"), max_active_runs=2)

        assert (await world.look(second)).state is RunState.RUNNING

    async def test_two_processes_begin_one_run(self, world: World, url: str) -> None:
        for number in range(5):
            await world.deploy(program("a"), dag=f"report_{number}", schedule=HOURLY)
        world.now = NOW + HOUR

        with self.opened(url) as other:
            another = World(other, now=world.now)
            await asyncio.gather(*(each.schedules.begin_due(now=world.now) for each in (world, another) * 4))

        assert [await dates(world, f"report_{number}") for number in range(5)] == [[HOUR]] * 5

    async def test_what_is_due_outlives_a_restart(self, world: World, url: str) -> None:
        await world.deploy(program("a"), schedule=HOURLY)

        with self.opened(url) as restarted:
            later = World(restarted, now=NOW + HOUR)
            await begin_all(later)

            assert await dates(later) == [HOUR]

    async def test_a_clock_that_jumps_back_doubles_nothing(self, world: World) -> None:
        await world.deploy(program("a"), schedule=HOURLY)
        world.now = NOW + HOUR
        await begin_all(world)

        for moment in (NOW, NOW + HOUR):
            world.now = moment
            await begin_all(world)

        assert await dates(world) == [HOUR]

    async def test_a_deploy_that_changes_the_schedule_loses_nothing_and_doubles_nothing(self, world: World) -> None:
        await world.deploy(program("a"), schedule=HOURLY)
        world.now = NOW + HOUR + 1  # due, and not begun yet

        await world.deploy(program("a"), schedule={"cron": ["30 * * * *"]})
        await begin_all(world)
        world.now = NOW + 2 * HOUR
        await begin_all(world)

        assert await dates(world) == [HOUR, 1.5 * HOUR]

    async def test_a_deploy_that_leaves_the_schedule_alone_leaves_its_times_alone(self, world: World) -> None:
        await world.deploy(program("a"), schedule={"every_s": 600})
        world.now = NOW + 300

        await world.deploy(program("a"), program("b"), schedule={"every_s": 600})

        assert await world.schedules.next_deadline() == NOW + 600

    async def test_a_version_without_a_schedule_ends_it(self, world: World) -> None:
        await world.deploy(program("a"), schedule=HOURLY)
        await world.deploy(program("a"))

        world.now = NOW + 5 * HOUR
        await begin_all(world)

        assert await runs_of(world) == []

    async def test_a_paused_dag_begins_nothing_and_goes_on_with_the_latest(self, world: World) -> None:
        await world.deploy(program("a"), schedule=HOURLY)
        standing = await world.schedules.pause(TEAM, "report", note="the plant is closed", by=by(world))
        world.now = NOW + 5 * HOUR
        await begin_all(world)
        none = await runs_of(world)

        await world.schedules.unpause(TEAM, "report", by=by(world))
        await begin_all(world)

        assert none == []
        assert standing.waits == "paused by user:operator-1: the plant is closed"
        assert await dates(world) == [5 * HOUR]

    async def test_a_deploy_leaves_a_paused_dag_paused(self, world: World) -> None:
        await world.deploy(program("a"), schedule=HOURLY)
        await world.schedules.pause(TEAM, "report", note=None, by=by(world))

        await world.deploy(program("a"), schedule={"cron": ["30 * * * *"]})

        assert await world.schedules.next_deadline() is None

    async def test_what_is_not_there_can_not_be_paused(self, world: World) -> None:
        with pytest.raises(NotFoundError, match="there is no DAG 'nothing'"):
            await world.schedules.pause(TEAM, "nothing", note=None, by=by(world))

    async def test_once_is_once_whatever_is_deployed_later(self, world: World) -> None:
        await world.deploy(program("a"), schedule={"once": True})
        await begin_all(world)

        await world.deploy(program("a"), schedule=HOURLY)
        await world.deploy(program("a"), schedule={"once": True})
        await begin_all(world)

        assert await dates(world) == [0.0]

    async def test_continuous_runs_follow_one_another(self, world: World) -> None:
        await world.deploy(program("a"), schedule={"continuous": True}, max_active_runs=1)
        await begin_all(world)
        before = await dates(world)

        world.now = NOW + 60
        await end_one(world)
        await begin_all(world)

        assert (before, await dates(world)) == ([0.0], [0.0, 60.0])

    async def test_a_run_begins_when_all_of_its_assets_were_written(self, world: World) -> None:
        both = {"kind": "all", "of": [{"kind": "asset", "asset": READINGS}, {"kind": "asset", "asset": PRICES}]}
        await world.deploy(program("a"), schedule={"assets": both})
        await world.run(program("collect", outlets=[READINGS]), dag="collect")
        await end_one(world)
        await begin_all(world)
        too_few = await runs_of(world)

        await world.run(program("ask", outlets=[PRICES]), dag="ask")
        await end_one(world)
        await begin_all(world)

        assert too_few == []
        (run,) = await runs_of(world)
        assert run.trigger == "asset"
        (claimed,) = await world.claim()
        assert [event.asset for event in claimed.run.triggering_events] == ["plant/readings", "market/prices"]
        assert await world.schedules.next_deadline() is None

    async def test_events_of_an_alias_begin_runs(self, world: World) -> None:
        await world.deploy(program("a"), schedule={"assets": {"kind": "alias", "alias": "backups"}})
        await world.run(program("save", outlet_aliases=["backups"]), dag="save")
        (claimed,) = await world.claim()

        said = {"name": "backup/monday", "alias": "backups", "asset": {"name": "backup/monday", "uri": "s3://b/1"}}
        await world.end(claimed, asset_events=[said])
        await begin_all(world)

        (claimed,) = await world.claim()
        assert [event.alias for event in claimed.run.triggering_events] == ["backups"]

    async def test_a_paused_dag_keeps_its_asset_events_for_later(self, world: World) -> None:
        await world.deploy(program("a"), schedule={"assets": {"kind": "asset", "asset": READINGS}})
        await world.schedules.pause(TEAM, "report", note=None, by=by(world))
        for _ in range(2):
            await world.run(program("collect", outlets=[READINGS]), dag="collect")
            await end_one(world)
        await begin_all(world)
        none = await runs_of(world)

        await world.schedules.unpause(TEAM, "report", by=by(world))
        await begin_all(world)

        assert none == []
        (claimed,) = await world.claim()
        assert len(claimed.run.triggering_events) == 2
