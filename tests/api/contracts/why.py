"""What every store of reasons promises: a definite answer for whatever does not run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from leasehold_api.acting import By, Team
from leasehold_api.clock import instant
from leasehold_api.errors import NotFoundError
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_why import SqlWhy
from leasehold_api.storage.tables import agents, sites
from leasehold_protocol.v1.leases import EndingKind, Refusal
from leasehold_protocol.v1.limits import PoolWrite
from leasehold_protocol.v1.why import Why, WhyKind
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, TEAM, World, program

OURS = Team(id=TEAM, name="default")
AT_NORTH = {"needs": {"labels": {"zone": "north"}}}


class WhyContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _published):
            world = await World(database).settle()
            self.store = SqlWhy(database, Plans(), disconnected_after_s=60.0)
            await self.agent(world, last_seen_at=world.now, slots=2)
            await self.agent(world, SOUTH, last_seen_at=world.now, slots=2)
            yield world

    async def agent(self, world: World, one: Any = NORTH, **values: Any) -> None:
        statement = update(agents).where(agents.c.id == one.agent_id).values(**values)
        await world.database.write(lambda tx: tx.run(statement).close())

    async def site(self, world: World, one: Any = NORTH, **values: Any) -> None:
        statement = update(sites).where(sites.c.id == one.site_id).values(**values)
        await world.database.write(lambda tx: tx.run(statement).close())

    async def why(self, world: World, run: str, task: str) -> Why:
        (answer,) = await self.store.of_task(OURS, run, task, None, now=world.now)
        return answer

    async def test_instances_of_a_mapped_task_are_counted(self, world: World) -> None:
        mapped = {"axes": [{"name": "n", "source": {"kind": "literal", "value": [1, 2, 3]}}]}
        run = await world.run(program("load", mapped=mapped), program("send", "load"))

        answer = await self.why(world, run, "send")

        assert answer.summary == "waits for load (3 queued)"

    async def test_a_full_pool_is_named_with_who_has_its_slots(self, world: World) -> None:
        await world.pools.put(OURS, "db", PoolWrite(slots=1), by=By(actor="tester", address=None, at=world.now))
        run = await world.run(program("read", pool="db"), program("load", pool="db"))
        await world.claim(most=1)

        answer = await self.why(world, run, "load")

        (reason,) = [each for each in answer.reasons if each.kind is WhyKind.LIMITED]
        assert reason.message == ("pool db is full: 1 of 1 slots are taken, and the task needs 1, taken by report.read")
        assert reason.details["name"] == "db"

    async def test_a_site_that_runs_as_many_as_it_may_is_named(self, world: World) -> None:
        await self.site(world, max_running=1)
        run = await world.run(program("read", **AT_NORTH), program("load", **AT_NORTH))
        await world.claim()

        answer = await self.why(world, run, "load")

        assert answer.summary == "site north may run 1 task instances at once, and does"

    async def test_a_run_that_waits_for_its_turn_says_for_what(self, world: World) -> None:
        await world.run(program("read"), max_active_runs=1)
        second = await world.trigger()

        answer = await self.store.of_run(OURS, second, now=world.now)

        assert answer.reason == "waits for its turn: report may have one run at the same time (max_active_runs)"

    async def test_upstream_tasks_are_named_with_their_states(self, world: World) -> None:
        run = await world.run(program("read"), program("load"), program("send", "read", "load"))
        await world.claim()

        answer = await self.why(world, run, "send")

        assert answer.summary == "waits for read (running), load (queued)"
        assert [reason.kind for reason in answer.reasons] == [WhyKind.UPSTREAM]

    async def test_a_retry_says_when_it_is_due_and_what_failed(self, world: World) -> None:
        run = await world.run(program("flaky", retries=1, retry_delay_s=40))
        (claimed,) = await world.claim()
        await world.end(claimed, EndingKind.FAILED, message="exit status 3")

        answer = await self.why(world, run, "flaky")

        assert answer.summary == "it is tried again in 40 s: exit status 3"
        assert answer.reasons[0].until == instant(world.now + 40)

    async def test_a_question_says_who_is_to_answer_it(self, world: World) -> None:
        run = await world.run(program("ask"))
        (claimed,) = await world.claim()
        question = {"question": "Ship?", "options": ["yes", "no"], "assigned_to": ["boss"]}
        await world.end(claimed, EndingKind.DEFERRED, wait={"key": "k", "kind": "question", "question": question})

        (reason,) = (await self.why(world, run, "ask")).reasons

        assert (reason.kind, reason.details["assigned_to"]) == (WhyKind.INPUT, ["boss"])
        assert reason.message.startswith("waits for an answer by boss: leasehold inputs answer in_")

    async def test_a_label_that_no_site_has_is_told_of_each_site(self, world: World) -> None:
        run = await world.run(program("train", needs={"labels": {"gpu": ">=1"}}))

        answer = await self.why(world, run, "train")

        assert answer.summary == (
            "no site offers what it needs: label gpu>=1 (north: its label gpu is not set, and the task needs >=1, "
            "south: its label gpu is not set, and the task needs >=1)"
        )
        assert answer.reasons[0].kind is WhyKind.NOT_OFFERED

    async def test_a_connection_that_nobody_was_granted_is_named_with_the_cure(self, world: World) -> None:
        run = await world.run(program("read", needs={"connections": ["mars_db"]}))

        (reason,) = (await self.why(world, run, "read")).reasons

        assert reason.kind is WhyKind.NOT_GRANTED
        assert "leasehold connections set mars_db --site SITE" in reason.message

    async def test_sites_that_would_do_each_say_what_keeps_them(self, world: World) -> None:
        run = await world.run(program("read"))
        await self.agent(world, last_seen_at=world.now - 600)
        await self.site(world, SOUTH, locked_at=world.now, locked_because="flooded", locked_running="finish")

        answer = await self.why(world, run, "read")

        assert answer.summary == "site north is offline since 2027-01-15 07:50 UTC; site south is locked: flooded"
        assert [(reason.kind, reason.site) for reason in answer.reasons] == [
            (WhyKind.OFFLINE, "north"),
            (WhyKind.SITE_LOCKED, "south"),
        ]

    async def test_full_slots_name_who_takes_them(self, world: World) -> None:
        await world.run(program("long", **AT_NORTH), program("longer", **AT_NORTH), dag="others")
        assert len(await world.claim(most=2)) == 2
        run = await world.run(program("read", **AT_NORTH))

        (reason,) = (await self.why(world, run, "read")).reasons

        assert reason.kind is WhyKind.NO_SLOT
        assert reason.message == "site north has no room: all its 2 slots are taken by others.long, others.longer"

    async def test_orders_working_hours_and_policies_are_told(self, world: World) -> None:
        run = await world.run(program("read", **AT_NORTH))
        pause = {"pause": {"by": "user:olga", "note": "network", "since": instant(world.now).isoformat()}}
        await self.agent(world, orders=json.dumps(pause))
        paused = await self.why(world, run, "read")
        hours = {"fingerprint": "p1", "hours_open": False, "hours_until": instant(world.now + 3600).isoformat()}
        await self.agent(world, orders=None, policy=json.dumps(hours), policy_fingerprint="p1")
        closed = await self.why(world, run, "read")
        await self.agent(world, policy=None)
        (claimed,) = await world.claim()
        refusal = Refusal(policy="p1", concerns="task", again_after_s=60)
        await world.end(claimed, EndingKind.REFUSED, message="no programs here", refusal=refusal)
        refused = await self.why(world, run, "read")

        assert paused.summary == "site north takes no work: paused by user:olga (network)"
        assert closed.summary == "site north is outside its working hours until 2027-01-15 09:00 UTC"
        assert refused.summary == "refused by the policy of site north: no programs here"
        assert refused.reasons[0].until == instant(world.now + 60)

    async def test_what_nothing_keeps_is_about_to_start(self, world: World) -> None:
        run = await world.run(program("read"))
        await self.agent(world, SOUTH, last_seen_at=None)

        assert (await self.why(world, run, "read")).summary == "site north is about to take it"

    async def test_a_run_is_answered_for_all_that_waits_and_by_a_task_instance_for_that(self, world: World) -> None:
        run = await world.run(program("read"), program("load"), program("send", "read"))
        (claimed,) = await world.claim()

        told = await self.store.of_run(OURS, run, now=world.now)
        one = await self.store.of_run(OURS, claimed.task_instance, now=world.now)

        assert [each.task for each in told.items] == ["load", "send"]
        assert [(each.task, each.summary) for each in one.items] == [("read", "it is running at site north")]

    async def test_nothing_of_other_teams_is_told(self, world: World) -> None:
        run = await world.run(program("read"))
        others = Team(id="team_2", name="others")

        with pytest.raises(NotFoundError):
            await self.store.of_run(others, run, now=world.now)
        with pytest.raises(NotFoundError):
            await self.store.of_task(others, run, "read", None, now=world.now)
        with pytest.raises(NotFoundError, match="no task 'raed'"):
            await self.store.of_task(OURS, run, "raed", None, now=world.now)
