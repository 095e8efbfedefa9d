"""What every store promises of what tasks keep for later tries."""

from __future__ import annotations

import pytest

from leasehold_api.callers import TaskCaller
from leasehold_api.errors import InvalidRequestError, LeaseLostError, NotFoundError
from leasehold_api.leases.claimed import Claimed
from leasehold_protocol.v1.leases import EndingKind, Outcome
from leasehold_protocol.v1.waiting import StateChange
from tests.api.contracts.waiting_world import WaitingWorld
from tests.support.world import NORTH, SOUTH, TEAM, World, outcome, program


class KeptStateContract(WaitingWorld):
    """Inherited by ``WaitsContract``."""

    def reader(self, claimed: Claimed) -> TaskCaller:
        return TaskCaller(
            agent_id=NORTH.agent_id,
            site_id=NORTH.site_id,
            team_id=TEAM,
            team="default",
            task_instance=claimed.task_instance,
            epoch=claimed.epoch,
            attempt=claimed.attempt,
            task=claimed.entry.id,
            run=claimed.run.run,
            dag=claimed.run.dag,
            scopes=frozenset(),
            address=None,
        )

    async def keep(self, world: World, claimed: Claimed, *changes: StateChange) -> None:
        await self.state.write(NORTH.agent_id, claimed.attempt, changes, now=world.now)

    async def test_state_is_kept_with_the_outcome_and_read_by_the_next_try(self, world: World) -> None:
        await world.run(program("waits", retries=1, retry_delay_s=0.0))
        (first,) = await world.claim()
        sent: Outcome = outcome(first, EndingKind.FAILED, world.now)
        kept = [
            StateChange(key="at", value={"row": 7}),
            StateChange(key="gone", value=1),
            StateChange(key="gone", removed=True),
        ]
        await world.leases.complete(NORTH, [sent.model_copy(update={"state": kept})], now=world.now)
        await world.leases.queue_due(now=world.now)
        (second,) = await world.claim()

        assert second.earlier.state_keys == 1
        assert await self.state.get(self.reader(second), "at", now=world.now) == {"row": 7}
        assert await self.state.keys(self.reader(second), "a", now=world.now) == ["at"]
        with pytest.raises(NotFoundError):
            await self.state.get(self.reader(second), "gone", now=world.now)
        with pytest.raises(LeaseLostError):
            await self.state.get(self.reader(first), "at", now=world.now)

    async def test_an_attempt_that_lost_its_lease_keeps_nothing(self, world: World) -> None:
        await world.run(program("waits"))
        (first,) = await world.claim()
        world.now += first.length_s + 1
        await world.leases.expire(now=world.now)
        await world.claim(SOUTH)

        with pytest.raises(LeaseLostError):
            await self.keep(world, first, StateChange(key="a", value=1))

    async def test_state_ends_when_its_time_is_over_counted_from_the_writing(self, world: World) -> None:
        await world.run(program("waits"))
        (claimed,) = await world.claim()
        await self.keep(world, claimed, StateChange(key="a", value=1, expires_after_s=100.0, age_s=40.0))

        reader = self.reader(claimed)
        assert await self.state.get(reader, "a", now=world.now + 59) == 1
        assert await self.state.keys(reader, "", now=world.now + 60) == []

    async def test_clearing_forgets_all_before_it(self, world: World) -> None:
        await world.run(program("waits"))
        (claimed,) = await world.claim()
        await self.keep(world, claimed, StateChange(key="a", value=1))
        await self.keep(world, claimed, StateChange(removed=True), StateChange(key="b", value=None))

        assert await self.state.keys(self.reader(claimed), "", now=world.now) == ["b"]

    @pytest.mark.parametrize(
        "changes",
        [
            [StateChange(key="a", value="x" * 65 * 1024)],
            [StateChange(key=f"k{n}", value=n) for n in range(1001)],
        ],
        ids=["too large", "too many"],
    )
    async def test_more_than_a_task_may_keep_is_refused(self, world: World, changes: list[StateChange]) -> None:
        await world.run(program("waits"))
        (claimed,) = await world.claim()

        with pytest.raises(InvalidRequestError):
            await self.keep(world, claimed, *changes)

        assert await self.state.keys(self.reader(claimed), "", now=world.now) == []
