"""What every store of backfills promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from leasehold_api.errors import ConflictError, InvalidRequestError
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.tables import metadata
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.runs import RunState
from leasehold_protocol.v1.schedules import BackfillRequest, BackfillState, Reprocess
from tests.api.contracts.schedules import HOUR, HOURLY, at, begin_all, by, dates, end_one, runs_of
from tests.support.databases import FRESH
from tests.support.world import NOW, TEAM, World, program


def wanted(first: float, last: float, **more: Any) -> BackfillRequest:
    return BackfillRequest.model_validate({"from": at(NOW + first), "to": at(NOW + last), **more})


class BackfillsContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    def url(self) -> Iterator[str]:
        with FRESH[self.kind]() as url:
            yield url

    @pytest.fixture
    async def world(self, url: str) -> AsyncIterator[World]:
        database = Database(make_engine(url), publish=lambda _signals: None)
        metadata.create_all(database.engine)
        try:
            world = await World(database).settle()
            await world.deploy(program("a"), schedule=HOURLY)
            yield world
        finally:
            database.close()

    async def test_its_dates_are_run_a_few_at_a_time_and_a_restart_does_not_matter(
        self, world: World, url: str
    ) -> None:
        begun = await world.backfills.begin(TEAM, "report", wanted(-4 * HOUR, -HOUR, max_active=2), by=by(world))
        await begin_all(world)
        first = await dates(world)
        await end_one(world)

        restarted = Database(make_engine(url), publish=lambda _signals: None)
        try:
            later = World(restarted)
            for _ in range(3):
                await begin_all(later)
                await end_one(later)
            await begin_all(later)
            found = await later.backfills.get(TEAM, begun.backfill)
        finally:
            restarted.close()

        assert (begun.total, first) == (4, [-4 * HOUR, -3 * HOUR])
        assert await dates(world) == [-4 * HOUR, -3 * HOUR, -2 * HOUR, -HOUR]
        assert (found.state, found.succeeded, found.active) == (BackfillState.COMPLETED, 4, 0)
        last = (await runs_of(world))[-1]
        assert (last.trigger, last.backfill) == ("backfill", begun.backfill)
        assert last.data_interval_start == at(NOW - 2 * HOUR)

    async def test_the_plan_says_what_exists_and_what_will_run_again(self, world: World) -> None:
        await world.backfills.begin(TEAM, "report", wanted(-2 * HOUR, -HOUR), by=by(world))
        await begin_all(world)
        await end_one(world)
        await end_one(world, EndingKind.FAILED)
        await begin_all(world)

        plans = {
            reprocess: await world.backfills.plan(TEAM, "report", wanted(-3 * HOUR, -HOUR, reprocess=reprocess))
            for reprocess in Reprocess
        }

        assert {each: plan.will_run for each, plan in plans.items()} == {"none": 1, "failed": 2, "completed": 3}
        assert [each.state for each in plans[Reprocess.NONE].dates] == [None, "success", "failed"]

    async def test_its_runs_do_not_count_for_the_limit_of_the_dag(self, world: World) -> None:
        await world.deploy(program("a"), schedule=HOURLY, max_active_runs=1)
        await world.backfills.begin(TEAM, "report", wanted(-3 * HOUR, -HOUR, max_active=3), by=by(world))

        await begin_all(world)
        by_hand = await world.trigger()

        assert {run.state for run in await runs_of(world)} == {RunState.RUNNING}
        assert (await world.look(by_hand)).state is RunState.RUNNING

    async def test_a_cancelled_one_begins_nothing_more(self, world: World) -> None:
        begun = await world.backfills.begin(TEAM, "report", wanted(-9 * HOUR, -HOUR, max_active=2), by=by(world))
        await begin_all(world)

        cancelled = await world.backfills.cancel(TEAM, begun.backfill, by=by(world))
        await begin_all(world)

        assert (cancelled.state, cancelled.failed) == (BackfillState.CANCELLED, 2)
        assert await dates(world) == [-9 * HOUR, -8 * HOUR]
        with pytest.raises(ConflictError, match="is over"):
            await world.backfills.cancel(TEAM, begun.backfill, by=by(world))

    async def test_one_at_a_time_and_not_without_anything_to_do(self, world: World) -> None:
        await world.backfills.begin(TEAM, "report", wanted(-2 * HOUR, -HOUR), by=by(world))

        with pytest.raises(ConflictError, match="goes on"):
            await world.backfills.begin(TEAM, "report", wanted(-5 * HOUR, -4 * HOUR), by=by(world))

    async def test_too_many_dates_and_dates_the_wrong_way_round_are_refused(self, world: World) -> None:
        year = timedelta(days=800).total_seconds()

        with pytest.raises(InvalidRequestError, match="10000 dates at most"):
            await world.backfills.plan(TEAM, "report", wanted(-year, -HOUR))
        with pytest.raises(InvalidRequestError, match="wrong way round"):
            await world.backfills.plan(TEAM, "report", wanted(-HOUR, -2 * HOUR))

    async def test_a_dag_without_a_schedule_by_time_has_no_dates(self, world: World) -> None:
        await world.deploy(program("a"), dag="by_hand")

        with pytest.raises(ConflictError, match="no schedule by time"):
            await world.backfills.plan(TEAM, "by_hand", wanted(-2 * HOUR, -HOUR))
