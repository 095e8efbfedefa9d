"""What every store promises after a restore from a backup: nothing that was leased since the backup runs twice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from leasehold_api.leases.restored import epoch_floor
from leasehold_api.runs.catalog import NewRun
from leasehold_api.signals import Topic
from leasehold_api.storage.sql_restored import fence, go_on
from leasehold_protocol.v1.leases import EndingKind, HeldLease
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, TEAM, World, program

LONG_S = 600
HOUR_S = 3600


class RestoredContract:
    """Inherited once per database. The rows are those of the backup; ``restore`` brings them back an hour later."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, published):
            self.published = published
            yield await World(database).settle()

    async def restore(self, world: World) -> float | None:
        made_at, world.now = world.now, world.now + HOUR_S
        return await world.database.write(lambda tx: fence(tx, made_at=made_at, now=world.now))

    async def test_nothing_is_leased_until_the_longest_lease_of_before_has_run_out(self, world: World) -> None:
        await world.run(program("quick", max_offline_s=60), program("slow", max_offline_s=LONG_S))

        until = await self.restore(world)

        assert until == world.now + LONG_S
        assert await world.leases.next_deadline() == until
        world.now = until - 1
        assert await world.claim(most=2) == []
        world.now = until
        assert len(await world.claim(most=2)) == 2

    async def test_those_who_wait_are_woken_when_leasing_begins_again(self, world: World) -> None:
        await world.run(program("quick", max_offline_s=60))
        until = await self.restore(world)
        assert until is not None
        self.published.clear()

        assert await world.leases.queue_due(now=until - 1) == 0
        assert await world.leases.queue_due(now=until) == 1

        woken = {signal.key for signal in self.published if signal.topic is Topic.OFFERS}
        assert woken == {NORTH.site_id, SOUTH.site_id}
        assert await world.leases.queue_due(now=until) == 0

    async def test_an_epoch_that_was_given_out_after_the_backup_is_never_given_out_again(self, world: World) -> None:
        run = await world.run(program("a", max_offline_s=60, retries=1))
        until = await self.restore(world)
        forgotten = (await world.task(run, "a")).attempts
        assert until is not None
        world.now = until

        (claimed,) = await world.claim()

        assert forgotten == []
        assert claimed.epoch == epoch_floor(until - 60) + 1
        assert await world.end(claimed, EndingKind.FAILED) == "recorded"
        world.now += HOUR_S
        await world.leases.queue_due(now=world.now)
        (again,) = await world.claim()
        assert again.epoch == claimed.epoch + 1, "it goes on from there"

    async def test_an_outcome_of_a_forgotten_lease_has_no_effect(self, world: World) -> None:
        run = await world.run(program("a", max_offline_s=60))
        until = await self.restore(world)
        assert until is not None
        world.now = until
        (claimed,) = await world.claim()
        forgotten = type(claimed)(**{**_fields(claimed), "epoch": 1})

        assert await world.end(forgotten, result="forgotten") in {"refused", "stale"}
        assert await world.end(claimed, result="known") == "recorded"
        assert (await world.task(run, "a")).result == "known"

    async def test_what_an_agent_still_runs_goes_on(self, world: World) -> None:
        run = await world.run(program("a", max_offline_s=60))
        (held,) = await world.claim()

        await self.restore(world)

        assert await world.leases.expire(now=world.now) == 0, "its lease was renewed until the service stopped"
        lease = HeldLease(attempt=f"{held.task_instance}.{held.epoch}")
        (renewed,) = await world.leases.renew(NORTH, [lease], now=world.now)
        assert renewed.renewal.verdict.value == "renewed"
        assert await world.end(held, result=1) == "recorded"
        assert (await world.task(run, "a")).state == "success"

    async def test_what_an_agent_has_no_more_is_leased_again_only_when_nobody_else_can_run_it(
        self, world: World
    ) -> None:
        await world.run(program("a", max_offline_s=60))
        (held,) = await world.claim()
        until = await self.restore(world)
        assert until is not None

        await world.leases.resume(NORTH, [], now=world.now)

        world.now = until - 1
        await world.leases.queue_due(now=world.now)
        assert await world.claim(SOUTH) == []
        world.now = until
        await world.leases.queue_due(now=world.now)
        (claimed,) = await world.claim(SOUTH)
        assert claimed.epoch > held.epoch + 1, "SOUTH may have had the next one after the backup"

    async def test_each_restore_of_one_backup_gives_out_other_epochs(self, world: World) -> None:
        await world.run(program("a", max_offline_s=60))
        first = await self.restore(world)
        second = await self.restore(world)
        assert first is not None
        assert second is not None
        world.now = second

        (claimed,) = await world.claim()

        assert claimed.epoch > epoch_floor(first) + 1

    async def test_runs_that_are_made_later_begin_with_the_first_epoch(self, world: World) -> None:
        await world.deploy(program("a", max_offline_s=60))
        assert await self.restore(world) is None, "nothing was on its way"
        world.now += 1
        new = NewRun(
            id=f"run_{int(world.now * 1000):012x}0123456789abcdef",
            team_id=TEAM,
            dag="report",
            params={},
            logical_date=world.now,
            trigger="manual",
            created_by="tester",
        )
        await world.runs.create(new, most_queued=10, now=world.now)

        (claimed,) = await world.claim()

        assert claimed.epoch == 1

    async def test_when_nothing_happened_since_all_goes_on_at_once(self, world: World) -> None:
        await world.run(program("a", max_offline_s=60))

        await world.database.write(lambda tx: go_on(tx, made_at=world.now, now=world.now))

        (claimed,) = await world.claim()
        assert claimed.epoch == 1


def _fields(claimed: object) -> dict[str, object]:
    return {name: getattr(claimed, name) for name in getattr(claimed, "__dataclass_fields__", {})}
