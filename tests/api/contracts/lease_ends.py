"""What every lease store promises of leases that run out, are renewed, or never arrived."""

from __future__ import annotations

from leasehold_protocol.v1.agents import AttemptOnDisk
from leasehold_protocol.v1.leases import HeldLease
from tests.api.contracts.in_a_world import InAWorld
from tests.support.world import NORTH, SOUTH, World, program


class LeaseEndsContract(InAWorld):
    """Inherited once per database."""

    async def test_an_expired_lease_is_leased_anew_and_its_late_outcome_is_stale(self, world: World) -> None:
        run = await world.run(program("a", max_offline_s=60))
        (first,) = await world.claim(NORTH)
        world.now += 60
        assert await world.leases.expire(now=world.now) == 1

        (second,) = await world.claim(SOUTH)

        assert second.epoch == 2
        assert await world.end(first, result="old", by=NORTH) == "stale"
        assert await world.end(second, result="new", by=SOUTH) == "recorded"
        assert (await world.task(run, "a")).result == "new"

    async def test_a_late_outcome_counts_while_nobody_leased_the_task_anew(self, world: World) -> None:
        run = await world.run(program("a", max_offline_s=60))
        (first,) = await world.claim()
        world.now += 61
        await world.leases.expire(now=world.now)

        assert await world.end(first, result=1) == "recorded"

        assert await world.claim() == []
        assert (await world.look(run)).state == "success"

    async def test_lost_agents_do_not_use_up_the_authors_retries(self, world: World) -> None:
        run = await world.run(program("a", max_offline_s=60))
        for _ in range(3):
            assert len(await world.claim()) == 1
            world.now += 60
            await world.leases.expire(now=world.now)
        (last,) = await world.claim()

        assert last.try_number == 1
        world.now += 60
        await world.leases.expire(now=world.now)
        assert await world.states(run) == {"a": "failed"}

    async def test_a_renewed_lease_does_not_expire(self, world: World) -> None:
        await world.run(program("a", max_offline_s=60))
        (first,) = await world.claim()
        world.now += 59

        (renewed,) = await world.leases.renew(NORTH, [HeldLease(attempt=first.attempt)], now=world.now)

        assert (renewed.renewal.verdict, renewed.renewal.length_s) == ("renewed", 60)
        world.now += 59
        assert await world.leases.expire(now=world.now) == 0

    async def test_a_lease_that_went_to_another_is_lost(self, world: World) -> None:
        await world.run(program("a", max_offline_s=60))
        (first,) = await world.claim(NORTH)
        world.now += 60
        await world.leases.expire(now=world.now)
        await world.claim(SOUTH)

        (renewed,) = await world.leases.renew(NORTH, [HeldLease(attempt=first.attempt)], now=world.now)

        assert renewed.renewal.verdict == "lost"

    async def test_a_lease_whose_answer_never_arrived_is_queued_again(self, world: World) -> None:
        run = await world.run(program("a"))
        await world.claim()

        await world.leases.renew(NORTH, [], now=world.now + 5)
        assert await world.states(run) == {"a": "running"}, "the answer may still be on its way"
        await world.leases.renew(NORTH, [], now=world.now + 60)

        assert await world.states(run) == {"a": "queued"}

    async def test_a_lease_that_did_not_fit_into_the_request_is_not_given_up(self, world: World) -> None:
        run = await world.run(program("a"))
        await world.claim()
        world.now += 60

        await world.leases.renew(NORTH, [], now=world.now, names_all=False)
        await world.leases.resume(NORTH, [], now=world.now, asked_at=world.now, names_all=False)

        assert await world.states(run) == {"a": "running"}

    async def test_a_returning_agent_learns_what_to_do_and_what_it_lost_is_queued(self, world: World) -> None:
        run = await world.run(program("runs"), program("ended"), program("gone"))
        claimed = {one.entry.id: one for one in [c for _ in range(3) for c in await world.claim()]}
        world.now += 60

        instructions = await world.leases.resume(
            NORTH,
            [
                AttemptOnDisk(attempt=claimed["runs"].attempt, state="running"),
                AttemptOnDisk(attempt=claimed["ended"].attempt, state="ended"),
                AttemptOnDisk(attempt="ti_of_nobody.4", state="running"),
            ],
            now=world.now,
        )

        assert [one.verdict.value for one in instructions] == ["keep", "deliver", "discard"]
        assert await world.states(run) == {"runs": "running", "ended": "running", "gone": "queued"}

    async def test_what_a_returning_agent_does_not_name_is_queued_again_at_once(self, world: World) -> None:
        run = await world.run(program("gone"))
        await world.claim()
        world.now += 5  # far less than the 15 s that a renewal leaves

        await world.leases.resume(NORTH, [], now=world.now, asked_at=world.now)

        assert await world.states(run) == {"gone": "queued"}

    async def test_a_greeting_that_was_held_up_frees_nothing_that_was_given_since(self, world: World) -> None:
        run = await world.run(program("runs"))
        said_at = world.now
        world.now += 2
        await world.claim()
        world.now += 60

        await world.leases.resume(NORTH, [], now=world.now, asked_at=said_at)

        assert await world.states(run) == {"runs": "running"}

    async def test_a_renewal_that_was_held_up_frees_nothing_that_was_given_since(self, world: World) -> None:
        run = await world.run(program("runs"))
        said_at = world.now
        await world.claim()
        world.now += 60

        await world.leases.renew(NORTH, [], now=world.now, asked_at=said_at)
        still = await world.states(run)
        await world.leases.renew(NORTH, [], now=world.now, asked_at=world.now)

        assert still == {"runs": "running"}
        assert await world.states(run) == {"runs": "queued"}
