"""What a store promises of the flow of a run: trigger rules, branches, short circuits, setups and teardowns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from leasehold_api.acting import By
from leasehold_api.leases.claimed import Claimed
from leasehold_api.storage.tables import task_instances
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import open_database
from tests.support.world import TEAM, World, program

TEARDOWN = {"role": "teardown", "trigger_rule": "all_done_setup_success"}
SETUP = {"role": "setup"}


class FlowContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _):
            yield await World(database).settle()

    async def ends(self, world: World, *, fails: str = "", skips: str = "", **more: Any) -> list[str]:
        """Claim everything that is queued and end it; return the tasks."""
        leases = await world.claim(most=64)
        for lease in leases:
            kind = {fails: EndingKind.FAILED, skips: EndingKind.SKIPPED}.get(lease.entry.id, EndingKind.SUCCESS)
            await world.end(lease, kind, **(more if kind is EndingKind.SUCCESS else {}))
        return sorted(lease.entry.id for lease in leases)

    async def one(self, world: World, task: str) -> Claimed:
        """Claim one task, which is the first in the queue."""
        (lease,) = await world.claim(most=1)
        assert lease.entry.id == task
        return lease

    async def test_a_rule_that_needs_one_is_decided_before_the_others_end(self, world: World) -> None:
        run = await world.run(
            program("fast"),
            program("slow"),
            program("first", "fast", "slow", trigger_rule="one_success"),
            program("alarm", "fast", "slow", trigger_rule="one_failed"),
            program("both", "fast", "slow", trigger_rule="all_failed"),
            program("at_once", "fast", "slow", trigger_rule="always"),
        )
        assert (await world.states(run))["at_once"] == "queued"

        await world.end(await self.one(world, "fast"))

        states = await world.states(run)
        assert (states["first"], states["alarm"], states["both"]) == ("queued", "none", "skipped")
        assert (await world.task(run, "both")).reason == "fast succeeded, and its trigger rule is all_failed"
        await self.ends(world)
        assert (await world.states(run))["alarm"] == "skipped"

    async def test_failures_that_never_ran_do_not_count_as_done(self, world: World) -> None:
        run = await world.run(
            program("breaks"),
            program("between", "breaks"),
            program("any", "between", trigger_rule="one_done"),
            program("alarm", "between", trigger_rule="one_failed"),
        )

        await self.ends(world, fails="breaks")

        assert await world.states(run) == {
            "breaks": "failed", "between": "upstream_failed", "any": "skipped", "alarm": "queued"
        }  # fmt: skip

    async def test_a_short_circuit_skips_all_that_comes_but_teardowns_and_what_has_begun(self, world: World) -> None:
        run = await world.run(
            program("make", **SETUP),
            program("enough", "make", skips="all"),
            program("next", "enough"),
            program("far", "next", trigger_rule="all_done"),
            program("begun", "enough", trigger_rule="always"),
            program("join", "far", trigger_rule="none_failed"),
            program("drop", "make", "far", **TEARDOWN),
        )
        await self.ends(world)  # make, and what always runs

        await self.ends(world, skip=["next", "begun"])

        assert await world.states(run) == {
            "make": "success", "enough": "success", "next": "skipped", "far": "skipped", "begun": "success",
            "join": "skipped", "drop": "queued",
        }  # fmt: skip
        assert (await world.task(run, "far")).reason == "skipped by enough"
        query = select(task_instances.c.task).where(task_instances.c.skipped_by == "enough")
        skipped = await world.database.read(lambda connection: set(connection.execute(query).scalars()))
        assert skipped == {"next", "far", "join"}, "what is run again asks who skipped it"
        await self.ends(world)
        assert (await world.look(run)).state == "success"

    async def test_no_task_skips_a_teardown(self, world: World) -> None:
        run = await world.run(program("make", **SETUP), program("drop", "make", **TEARDOWN))

        await self.ends(world, skip=["drop"])

        assert (await world.states(run))["drop"] == "queued"

    @pytest.mark.parametrize(
        ("fails", "skips", "drop", "state"),
        [
            ("work", "", "queued", "success"),  # as in Airflow: the leaf, which cleans up, decides
            ("make", "", "upstream_failed", "failed"),
            ("", "make", "skipped", "success"),
        ],
    )
    async def test_a_teardown_runs_if_its_setup_did(
        self, world: World, fails: str, skips: str, drop: str, state: str
    ) -> None:
        run = await world.run(
            program("make", **SETUP),
            program("work", "make"),
            program("more", "work", trigger_rule="all_done"),
            program("drop", "make", "more", **TEARDOWN),
        )
        await self.ends(world, fails=fails, skips=skips)
        await self.ends(world, fails=fails)
        if fails == "work":
            assert await self.ends(world) == ["more"], "its setup is there"
        else:
            assert (await world.states(run))["more"] == ("skipped" if skips else "upstream_failed")

        assert (await world.states(run))["drop"] == drop

        await self.ends(world)
        assert (await world.look(run)).state == state

    @pytest.mark.parametrize(("fails_run", "state"), [(False, "success"), (True, "failed")])
    async def test_a_teardown_decides_the_run_only_if_it_is_told_to(
        self, world: World, fails_run: bool, state: str
    ) -> None:
        run = await world.run(
            program("make", **SETUP),
            program("work", "make"),
            program("drop", "make", "work", **TEARDOWN, fails_run=fails_run),
        )
        await self.ends(world)
        await self.ends(world)

        assert await self.ends(world, fails="drop") == ["drop"]

        assert (await world.look(run)).state == state

    async def test_a_task_waits_for_setups_further_up_although_its_rule_would_let_it_run(self, world: World) -> None:
        run = await world.run(
            program("fast"),
            program("make", **SETUP),
            program("between", "make", trigger_rule="always"),
            program("first", "fast", "between", trigger_rule="one_success"),
            program("drop", "make", "first", **TEARDOWN),
        )
        fast, make, between = await world.claim(most=4)
        await world.end(fast)
        assert (await world.states(run))["first"] == "none"

        await world.end(make)

        assert (await world.states(run))["first"] == "queued"
        await world.end(between)
        await self.ends(world)
        await self.ends(world)
        assert (await world.look(run)).state == "success"

    async def test_a_cancelled_run_is_torn_down_and_over_after_that(self, world: World) -> None:
        run = await world.run(
            program("make", **SETUP),
            program("work", "make"),
            program("drop", "make", "work", **TEARDOWN),
            program("never_made", "work", **SETUP),
            program("drop_never", "never_made", **TEARDOWN),
        )
        await self.ends(world)
        work = await self.one(world, "work")

        await world.runs.cancel(TEAM, run, reason="enough", by=By(actor="ann", address=None, at=world.now))

        assert (await world.look(run)).state == "running"
        await world.end(work, EndingKind.CANCELLED)
        assert await world.states(run) == {
            "make": "success", "work": "cancelled", "drop": "queued", "never_made": "cancelled",
            "drop_never": "upstream_failed",
        }  # fmt: skip
        assert await self.ends(world) == ["drop"]
        assert (await world.look(run)).state == "cancelled"

    async def test_a_teardown_that_runs_is_not_cancelled(self, world: World) -> None:
        run = await world.run(program("make", **SETUP), program("drop", "make", **TEARDOWN))
        await self.ends(world)
        drop = await self.one(world, "drop")

        await world.runs.cancel(TEAM, run, reason="enough", by=By(actor="ann", address=None, at=world.now))

        assert (await world.states(run))["drop"] == "running"
        assert (await world.task(run, "drop")).reason is None
        await world.end(drop)
        assert (await world.look(run)).state == "cancelled"
