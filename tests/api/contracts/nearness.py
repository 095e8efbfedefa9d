"""What every store promises about large results: who has one is asked first, and nobody waits for long."""

from __future__ import annotations

from leasehold_api.acting import Team
from leasehold_api.runs.nearness import LARGE_BYTES, PREFERRED_FOR_S
from leasehold_protocol.v1.leases import EndingKind
from tests.api.contracts.in_a_world import InAWorld, names
from tests.support.world import NORTH, SOUTH, TEAM, World, program

HERE = Team(id=TEAM, name="default")


class NearnessContract(InAWorld):
    """Inherited once per database."""

    async def test_what_reads_a_large_result_is_first_for_the_site_that_has_it_and_then_for_all(
        self, world: World
    ) -> None:
        large = "x" * LARGE_BYTES
        run = await world.run(
            program("read"), program("sum", "read", retries=1, retry_delay_s=0), program("tell", "sum")
        )
        (read,) = await world.claim(SOUTH)
        self.published.clear()
        await world.end(read, by=SOUTH, result=large)

        assert self.woken() == 1
        assert await world.claim(NORTH) == [], "the site with the result comes first"
        assert await world.leases.next_deadline() == world.now + PREFERRED_FOR_S
        world.now += PREFERRED_FOR_S
        self.published.clear()
        assert await world.leases.queue_due(now=world.now) == 1

        assert self.woken() == 1, "somebody of all sites"
        (total,) = await world.claim(NORTH)
        await world.end(total, EndingKind.FAILED)
        await world.leases.queue_due(now=world.now)
        (total,) = await world.claim(NORTH)
        await world.end(total, result=1)
        assert names(await world.claim(SOUTH)) == ["tell"], "a small result keeps nobody"
        assert (await world.look(run)).state == "running"

    async def test_the_site_with_a_large_result_takes_it_and_a_loss_sends_it_to_all(self, world: World) -> None:
        await world.run(program("read"), program("sum", "read"))
        (read,) = await world.claim(SOUTH)
        await world.end(read, by=SOUTH, result="x" * LARGE_BYTES)

        (total,) = await world.claim(SOUTH)
        await world.end(total, EndingKind.LOST, by=SOUTH)

        assert names(await world.claim(NORTH)) == ["sum"]

    async def test_a_large_result_of_a_site_that_does_not_offer_what_is_needed_keeps_nobody(self, world: World) -> None:
        await world.run(program("read"), program("sum", "read", needs={"labels": {"zone": "north"}}))
        (read,) = await world.claim(SOUTH)

        await world.end(read, by=SOUTH, result="x" * LARGE_BYTES)

        assert names(await world.claim(NORTH)) == ["sum"]
