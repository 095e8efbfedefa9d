"""What every store promises about pools that people change."""

from __future__ import annotations

import pytest

from leasehold_api.acting import By, Slice, Team
from leasehold_api.errors import ConflictError
from leasehold_protocol.v1.limits import PoolWrite
from tests.api.contracts.in_a_world import InAWorld, names
from tests.support.world import TEAM, World, program

HERE = Team(id=TEAM, name="default")


class PoolsContract(InAWorld):
    """Inherited once per database."""

    async def test_more_slots_admit_at_once_and_fewer_end_nothing(self, world: World) -> None:
        await world.pool("db", 1)
        await world.run(*(program(f"t{n}", pool="db") for n in range(6)))
        first = await world.claim(most=9)

        await world.pool("db", 3)
        more = await world.claim(most=9)
        await world.pool("db", 1)

        assert (len(first), len(more)) == (1, 2)
        for one in (first + more)[:2]:
            await world.end(one)
        assert await world.claim(most=9) == []
        await world.end(more[1])
        assert len(await world.claim(most=9)) == 1

    async def test_a_pool_that_is_not_there_holds_tasks_until_somebody_sets_it(self, world: World) -> None:
        run = await world.run(program("a", pool="db"))
        assert await world.claim() == []
        assert "leasehold pools set db" in str((await world.task(run, "a")).reason)

        await world.pool("db", 1)

        assert names(await world.claim()) == ["a"]

    async def test_a_pool_in_use_is_not_deleted(self, world: World) -> None:
        await world.pool("db", 1)
        await world.run(program("a", pool="db"))
        by = By(actor="tester", at=world.now)

        with pytest.raises(ConflictError, match="in use: 1 of its slots"):
            await world.pools.delete(HERE, "db", by=by)
        with pytest.raises(ConflictError, match="no limit"):
            await world.pools.put(HERE, "default_pool", PoolWrite(slots=3), by=by)

        (a,) = await world.claim()
        await world.end(a)
        await world.pools.delete(HERE, "db", by=by)
        assert (await world.pools.list(HERE, part=Slice())).items == []
