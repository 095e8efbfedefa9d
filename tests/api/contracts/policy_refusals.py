"""What every lease store promises about work that a site's own policy refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from leasehold_api.acting import By
from leasehold_api.callers import AgentCaller
from leasehold_api.storage.tables import agents
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, World, program

AFTER_S = 3600.0


class PolicyRefusalsContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _):
            world = await World(database).settle()
            await in_force(world, NORTH, "north-policy")
            yield world

    async def test_a_refused_task_waits_with_the_reason_and_no_try_counts(self, world: World) -> None:
        run = await world.run(program("load", retries=0))
        (claimed,) = await world.claim()

        verdict = await refuse(world, claimed)

        task = await world.task(run, "load")
        assert verdict == "recorded"
        assert (task.state, task.reason) == ("queued", "site north: no connection plant_db")
        assert [(one.ending, one.try_number) for one in task.attempts] == [("refused", 1)]
        (again,) = await world.claim(SOUTH)
        assert again.try_number == 1

    async def test_the_same_policy_is_not_asked_again_and_another_site_takes_it(self, world: World) -> None:
        await world.run(program("load"))
        (claimed,) = await world.claim()
        await refuse(world, claimed)

        assert await world.claim() == []
        assert [one.entry.id for one in await world.claim(SOUTH)] == ["load"]

    async def test_the_next_runs_of_the_same_version_are_passed_over_too(self, world: World) -> None:
        await world.run(program("load"))
        (claimed,) = await world.claim()
        await refuse(world, claimed)
        await world.run(program("load"))

        assert await world.claim(most=4) == []

    async def test_what_was_not_refused_is_still_leased(self, world: World) -> None:
        await world.run(program("load", priority=9), program("other"))
        (claimed,) = await world.claim()
        await refuse(world, claimed)

        assert [one.entry.id for one in await world.claim(most=4)] == ["other"]

    async def test_a_changed_policy_is_asked_again_at_once(self, world: World) -> None:
        await world.run(program("load"))
        (claimed,) = await world.claim()
        await refuse(world, claimed)
        await in_force(world, NORTH, "a-wider-policy")

        assert [one.entry.id for one in await world.claim()] == ["load"]

    async def test_the_same_policy_is_asked_again_after_a_time(self, world: World) -> None:
        await world.run(program("load"))
        (claimed,) = await world.claim()
        await refuse(world, claimed)
        world.now += AFTER_S - 1
        assert await world.claim() == []
        world.now += 2

        assert [one.entry.id for one in await world.claim()] == ["load"]

    async def test_refused_arguments_concern_one_task_instance_only(self, world: World) -> None:
        await world.run(program("load"))
        (claimed,) = await world.claim()
        await refuse(world, claimed, concerns="instance")
        await world.run(program("load"))

        (other,) = await world.claim(most=4)
        assert other.task_instance != claimed.task_instance

    async def test_a_refusal_that_names_no_policy_is_not_remembered(self, world: World) -> None:
        await world.run(program("load"))
        (claimed,) = await world.claim()
        await world.end(claimed, EndingKind.REFUSED, message="outside working hours")

        assert [one.entry.id for one in await world.claim()] == ["load"]

    async def test_refused_a_hundred_times_it_is_still_no_failure(self, world: World) -> None:
        run = await world.run(program("load"))

        for _ in range(20):
            (claimed,) = await world.claim()
            await world.end(claimed, EndingKind.REFUSED, message="outside working hours")

        assert await world.states(run) == {"load": "queued"}

    async def test_a_cancelled_run_ends_although_its_task_is_refused(self, world: World) -> None:
        run = await world.run(program("load"))
        (claimed,) = await world.claim()
        await world.runs.cancel("team_1", run, reason="not needed", by=By(actor="tester", at=world.now))

        await refuse(world, claimed)

        assert (await world.look(run)).state == "cancelled"


async def in_force(world: World, agent: AgentCaller, fingerprint: str) -> None:
    """Let an agent have said that this is its policy."""
    statement = update(agents).where(agents.c.id == agent.agent_id).values(policy_fingerprint=fingerprint)
    await world.database.write(lambda tx: tx.run(statement) and None)


async def refuse(world: World, claimed: Any, *, concerns: str = "task") -> str:
    """Deliver a refusal by the policy of the north."""
    refusal = {"policy": "north-policy", "concerns": concerns, "again_after_s": AFTER_S}
    return await world.end(claimed, EndingKind.REFUSED, message="no connection plant_db", refusal=refusal)
