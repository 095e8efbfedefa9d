"""What every store promises about task instances that are queued too long."""

from __future__ import annotations

from leasehold_api.acting import Team
from tests.api.contracts.in_a_world import InAWorld, names
from tests.support.world import TEAM, World, program

HERE = Team(id=TEAM, name="default")


class QueueTimeoutContract(InAWorld):
    """Inherited once per database."""

    async def test_what_is_queued_too_long_fails_and_says_what_kept_it(self, world: World) -> None:
        await world.pool("db", 1)
        run = await world.run(
            program("a", pool="db"),
            program("b", pool="db", queue_timeout_s=60),
            program("c", "b", trigger_rule="all_done", pool="db"),
        )
        await world.claim(most=9)
        assert await world.leases.next_deadline() == world.now + 60
        world.now += 60

        assert await world.leases.queue_due(now=world.now) == 1

        b = await world.task(run, "b")
        assert (b.state, b.reason) == (
            "failed",
            "it was queued for 60 s, which is its queue_timeout: pool db is full: 1 of 1 slots are taken, "
            "and the task needs 1",
        )
        assert (await world.states(run))["c"] == "queued"

    async def test_a_queue_timeout_gives_back_a_slot_that_was_not_used_and_ends_with_the_lease(
        self, world: World
    ) -> None:
        await world.pool("db", 1)
        nowhere = {"needs": {"labels": {"gpu": "1"}}}
        run = await world.run(
            program("a", pool="db", priority=1, queue_timeout_s=60, **nowhere),
            program("b", pool="db", queue_timeout_s=90),
        )
        assert await world.claim() == []
        world.now += 60
        await world.leases.queue_due(now=world.now)

        assert "label gpu is not set" in str((await world.task(run, "a")).reason)
        assert names(await world.claim()) == ["b"]
        world.now += 60
        assert await world.leases.queue_due(now=world.now) == 0
        assert (await world.states(run))["b"] == "running"
