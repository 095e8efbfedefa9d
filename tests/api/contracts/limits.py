"""What every store promises about limits: never more than allowed, and nobody forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from leasehold_api.acting import By, Team
from leasehold_api.runs.limits import LimitKind
from leasehold_api.signals import Topic
from leasehold_api.storage.sql_blocking import SqlBlocking
from leasehold_protocol.v1.leases import EndingKind
from tests.api.contracts.in_a_world import InAWorld, names
from tests.support.world import NORTH, SOUTH, TEAM, World, program

HERE = Team(id=TEAM, name="default")


class LimitsContract(InAWorld):
    """Inherited once per database."""

    async def test_no_more_of_a_pool_is_leased_than_it_has_slots(self, world: World) -> None:
        await world.pool("db", 3)
        await world.run(*(program(f"part-{n}", pool="db") for n in range(5)), program("free"))

        taken = await world.claim(most=16)

        assert names(taken) == ["free", "part-0", "part-1", "part-2"]
        assert await world.claim(SOUTH, most=16) == []

    async def test_a_slot_given_back_admits_the_next_in_the_same_transaction(self, world: World) -> None:
        await world.pool("db", 1)
        await world.run(program("first", pool="db"), program("second", pool="db"), program("third", pool="db"))
        (first,) = await world.claim(most=9)
        self.woken()

        await world.end(first)

        assert self.woken() == 1, "one slot, one agent woken"
        assert names(await world.claim(most=9)) == ["second"]

    async def test_the_next_is_the_one_of_highest_priority_and_then_the_oldest_whatever_its_line(
        self, world: World
    ) -> None:
        await world.pool("db", 1)
        await world.run(program("holder", pool="db"), dag="one", max_active_tasks=5)
        (held,) = await world.claim(most=9)
        await world.run(program("older", pool="db"), dag="two", max_active_tasks=5)
        world.now += 1
        await world.run(
            program("later", pool="db"), program("urgent", pool="db", priority=9), dag="three", max_active_tasks=5
        )

        order = []
        for _ in range(3):
            await world.end(held)
            (held,) = await world.claim(most=9)
            order.append(held.entry.id)

        assert order == ["urgent", "older", "later"]

    async def test_slots_are_counted_and_who_needs_fewer_than_are_left_may_go(self, world: World) -> None:
        await world.pool("db", 4)
        await world.run(
            program("big", pool="db", pool_slots=3),
            program("bigger", pool="db", pool_slots=4),
            program("small", pool="db"),
        )

        taken = await world.claim(most=9)
        assert names(taken) == ["big", "small"]
        for one in taken:
            await world.end(one)

        assert names(await world.claim(most=9)) == ["bigger"]

    @pytest.mark.parametrize("kind", [EndingKind.LOST, EndingKind.CANCELLED, EndingKind.REFUSED])
    async def test_what_is_queued_again_gives_its_slot_back_first(self, world: World, kind: EndingKind) -> None:
        await world.pool("db", 1)
        await world.run(program("a", pool="db"), program("b", pool="db"))
        (a,) = await world.claim(most=9)
        world.now += 1

        await world.end(a, kind)

        assert names(await world.claim(SOUTH, most=9)) == ["b"], "it is behind the other now"

    async def test_an_expired_lease_gives_its_slot_back(self, world: World) -> None:
        await world.pool("db", 1)
        await world.run(program("a", pool="db", max_offline_s=60), program("b", pool="db"))
        await world.claim(most=9)
        world.now += 61

        await world.leases.expire(now=world.now)

        assert names(await world.claim(SOUTH, most=9)) == ["b"]

    @pytest.mark.parametrize(
        ("ending", "more"),
        [
            (EndingKind.FAILED, {}),
            (EndingKind.RESCHEDULED, {"again_after_s": 60}),
            (EndingKind.DEFERRED, {"wait": {"key": "later", "kind": "time", "after_s": 60}}),
        ],
    )
    async def test_who_waits_for_time_holds_no_slot_and_passes_the_limit_again(
        self, world: World, ending: EndingKind, more: dict[str, Any]
    ) -> None:
        await world.pool("db", 1)
        run = await world.run(program("a", pool="db", retries=1, retry_delay_s=60), program("b", pool="db"))
        (a,) = await world.claim(most=9)
        assert await world.end(a, ending, **more) == "recorded"
        (b,) = await world.claim(most=9)
        world.now += 61

        await world.leases.queue_due(now=world.now)

        assert await world.claim(most=9) == [], "b has the slot"
        assert (await world.states(run))["a"] == "queued"
        await world.end(b)
        assert names(await world.claim(most=9)) == ["a"]

    async def test_a_cancelled_run_gives_back_what_it_was_admitted_to_and_leaves_the_line(self, world: World) -> None:
        await world.pool("db", 1)
        run = await world.run(program("a", pool="db"), program("b", pool="db"), dag="one")
        await world.run(program("c", pool="db"), dag="two")

        await world.runs.cancel(TEAM, run, reason="enough", by=By(actor="tester", at=world.now))

        assert names(await world.claim(most=9)) == ["c"]

    async def test_a_late_word_about_what_waits_again_takes_it_out_of_the_line(self, world: World) -> None:
        await world.pool("db", 1)
        run = await world.run(program("a", pool="db", max_offline_s=60), program("b", pool="db"))
        (a,) = await world.claim(most=9)
        world.now += 61
        await world.leases.expire(now=world.now)
        (b,) = await world.claim(SOUTH, most=9)

        await world.end(a)
        await world.end(b, by=SOUTH)

        assert (await world.look(run)).state == "success"
        assert (await world.pools.get(HERE, "db")).used == 0

    @pytest.mark.parametrize(
        ("settings", "of_the_task", "expected"),
        [
            ({"max_active_tasks": 2}, {}, [2, 2]),
            ({"max_active_tasks_per_dag": 3}, {}, [3, 0]),
            ({}, {"max_active_tis_per_dag": 1}, [3, 0]),
            ({}, {"max_active_tis_per_dagrun": 1}, [3, 3]),
            ({"max_active_tasks": 2, "max_active_tasks_per_dag": 3}, {}, [2, 1]),
        ],
    )
    async def test_a_dag_limits_itself_per_run_and_over_its_runs(
        self, world: World, settings: dict[str, Any], of_the_task: dict[str, Any], expected: list[int]
    ) -> None:
        for _ in expected:
            await world.run(*(program(f"t{n}", **of_the_task) for n in range(3)), **settings)

        taken = await world.claim(most=16)

        per_run: dict[str, int] = {}
        for one in taken:
            per_run[one.run.run] = per_run.get(one.run.run, 0) + 1
        assert sorted(per_run.values(), reverse=True) == [n for n in expected if n]

    async def test_two_full_limits_on_the_way_forget_nobody(self, world: World) -> None:
        await world.pool("db", 2)
        for dag in ("one", "two", "three"):
            await world.run(*(program(f"{dag}-{n}", pool="db") for n in range(4)), dag=dag, max_active_tasks=1)

        done = 0
        while taken := await world.claim(most=16):
            assert len(taken) <= 2
            assert len({one.run.run for one in taken}) == len(taken), "one of each run"
            for one in taken:
                await world.end(one)
            done += len(taken)

        assert done == 12

    async def test_claims_and_endings_that_meet_never_exceed_a_limit(self, world: World) -> None:
        await world.pool("db", 3)
        await world.run(*(program(f"t{n}", pool="db") for n in range(30)))
        running, most, done = 0, 0, 0

        async def agent(one: Any) -> None:
            nonlocal running, most, done
            while done < 30:
                for claimed in await world.claim(one, most=2):
                    running += 1
                    most = max(most, running)
                    running -= 1  # before it ends: what ends frees its slot for others at once
                    await world.end(claimed, by=one)
                    done += 1
                await asyncio.sleep(0)

        await asyncio.wait_for(asyncio.gather(*(agent(NORTH if n % 2 else SOUTH) for n in range(6))), 60)

        assert most <= 3
        assert (await world.pools.get(HERE, "db")).used == 0

    async def test_a_team_and_a_site_have_ceilings_and_room_wakes_who_looked_in_vain(self, world: World) -> None:
        await self.limit(world, team=3, north=2)
        await world.run(*(program(f"t{n}") for n in range(9)))

        north, south = await world.claim(NORTH, most=9), await world.claim(SOUTH, most=9)
        assert (len(north), len(south)) == (2, 1)
        assert await world.claim(SOUTH, most=9) == []
        self.published.clear()
        await world.end(north[0])

        assert {signal.topic for signal in self.published} >= {Topic.QUEUED, Topic.OFFERS}
        assert len(await world.claim(SOUTH, most=9)) == 1
        assert await world.claim(NORTH, most=9) == []

    async def limit(self, world: World, *, team: int, north: int) -> None:
        """Set the ceilings."""

        def write(tx: Any) -> None:
            tx.run(text("UPDATE teams SET max_running = :most"), {"most": team})
            tx.run(text("UPDATE sites SET max_running = :most WHERE name = 'north'"), {"most": north})

        await world.database.write(write)

    async def test_what_blocks_a_task_instance_can_be_read_as_data(self, world: World) -> None:
        await world.pool("db", 2)
        run = await world.run(
            program("a", pool="db", pool_slots=2),
            program("b", pool="db", priority=2, needs={"labels": {"zone": "south"}}),
            program("c", pool="db", priority=1, needs={"labels": {"zone": "north"}}),
            max_active_tasks=2,
        )
        (b,) = await world.claim(SOUTH, most=9)
        await world.end(b, by=SOUTH, kind=EndingKind.LOST)
        (b,) = await world.claim(SOUTH, most=9)
        blocking = SqlBlocking(world.database)
        a = await world.task(run, "a")

        found = await blocking.blocking(TEAM, a.task_instance)

        assert found is not None
        assert [(limit.kind, limit.used, limit.most, limit.is_full) for limit in found.limits] == [
            (LimitKind.RUN, 2, 2, True),
            (LimitKind.POOL, 2, 2, True),
        ]
        assert {(one.task, one.site) for one in found.limits[1].holders} == {("b", "south"), ("c", None)}
        assert [(site.site, site.mismatch, site.agents) for site in found.sites] == [
            ("north", None, 1),
            ("south", None, 1),
        ]
        assert a.reason == "pool db is full: 2 of 2 slots are taken, and the task needs 2"
        assert await blocking.blocking(TEAM, b.task_instance) is None, "it runs"
