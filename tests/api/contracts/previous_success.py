"""What every lease store promises of the last run that succeeded: it comes with a lease where a template names it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from leasehold_api.clock import instant
from leasehold_api.storage.tables import runs
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import open_database
from tests.support.world import NOW, World, program

HOUR = 3600.0
NAMING: dict[str, Any] = {
    "id": "load",
    "work": {"kind": "program", "argv": [{"kind": "template", "text": "{{ prev_start_date_success }}"}]},
}


class PreviousSuccessContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _):
            yield await World(database).settle()

    async def past(self, world: World, at: float, kind: EndingKind = EndingKind.SUCCESS) -> str:
        """Run the DAG to its end at some time."""
        world.now = at
        run = await world.trigger()
        (claimed,) = await world.claim()
        await world.end(claimed, kind)
        return run

    async def test_it_is_the_newest_before_the_run_that_succeeded(self, world: World) -> None:
        await world.deploy(NAMING)
        await self.past(world, NOW - 3 * HOUR)
        await self.past(world, NOW - 2 * HOUR)
        await self.past(world, NOW - HOUR, EndingKind.FAILED)
        world.now = NOW
        await world.trigger()

        (claimed,) = await world.claim()

        assert claimed.run.previous_success is not None
        assert claimed.run.previous_success.logical_date == instant(NOW - 2 * HOUR)
        assert claimed.run.previous_success.started_at == instant(NOW - 2 * HOUR)

    async def test_a_first_run_has_none(self, world: World) -> None:
        await world.deploy(NAMING)
        await world.trigger()

        (claimed,) = await world.claim()

        assert claimed.run.previous_success is None

    async def test_one_that_is_deleted_is_none(self, world: World) -> None:
        await world.deploy(NAMING)
        gone = await self.past(world, NOW - HOUR)
        statement = update(runs).where(runs.c.id == gone).values(deleted_at=NOW)
        await world.database.write(lambda tx: tx.run(statement) and None)
        world.now = NOW
        await world.trigger()

        (claimed,) = await world.claim()

        assert claimed.run.previous_success is None

    async def test_who_does_not_name_it_is_not_told(self, world: World) -> None:
        await world.deploy(program("load"))
        await self.past(world, NOW - HOUR)
        world.now = NOW
        await world.trigger()

        (claimed,) = await world.claim()

        assert claimed.run.previous_success is None
