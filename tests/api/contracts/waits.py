"""What every store promises of tasks that wait without a slot, and of what they skip."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from leasehold_api.acting import Team
from leasehold_api.errors import ConflictError
from leasehold_protocol.v1.inputs import AskedState
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.waiting import Answer, WaitVerdict
from tests.api.contracts.kept_state import KeptStateContract
from tests.api.contracts.questions import QuestionsContract
from tests.api.contracts.waiting_world import OURS, a_question, an_event
from tests.support.world import TEAM, World, program


class WaitsContract(QuestionsContract, KeptStateContract):
    """Inherited once per database."""

    async def test_a_rescheduled_task_is_leased_again_when_it_is_due_and_no_try_is_spent(self, world: World) -> None:
        run = await world.run(program("waits"))
        (first,) = await world.claim()
        await world.end(first, EndingKind.RESCHEDULED, again_after_s=300.0, message="not yet")
        shown = await world.task(run, "waits")

        assert await world.claim() == []
        assert await world.leases.next_deadline() == world.now + 300
        world.now += 300
        assert await world.leases.queue_due(now=world.now) == 1
        (again,) = await world.claim()

        assert (shown.state, shown.reason, shown.rescheduled) == (TaskState.UP_FOR_RESCHEDULE, "not yet", 1)
        assert (again.try_number, again.epoch) == (1, 2)
        assert again.earlier.resumed == "reschedule"
        assert (again.earlier.rescheduled, again.earlier.first_started_ago_s) == (1, 300)

    async def test_a_time_that_is_over_means_at_once(self, world: World) -> None:
        await world.run(program("waits"))
        (first,) = await world.claim()
        await world.end(first, EndingKind.RESCHEDULED, again_at=world.now - 60)

        assert await world.leases.queue_due(now=world.now) == 1

    async def test_what_was_lost_goes_on_from_where_it_was_and_a_new_try_does_not(self, world: World) -> None:
        await world.run(program("waits", retries=1, retry_delay_s=0.0))
        (first,) = await world.claim()
        await world.end(first, EndingKind.RESCHEDULED, again_after_s=0.0)
        await world.leases.queue_due(now=world.now)
        (second,) = await world.claim()
        await world.end(second, EndingKind.LOST)
        (third,) = await world.claim()
        await world.end(third, EndingKind.FAILED)
        await world.leases.queue_due(now=world.now)
        (fourth,) = await world.claim()

        resumed = [claimed.earlier.resumed for claimed in (second, third, fourth)]
        assert resumed == ["reschedule", "reschedule", None]

    async def test_a_task_that_is_rescheduled_for_ever_leaves_a_bounded_trace(self, world: World) -> None:
        await world.run(program("waits"))
        first = None
        for _ in range(60):
            (claimed,) = await world.claim()
            first = first or claimed
            await world.end(claimed, EndingKind.RESCHEDULED, again_after_s=0.0)
            await world.leases.queue_due(now=world.now)
        assert first is not None

        count = await world.database.read(lambda c: c.execute(text("SELECT count(*) FROM attempts")).scalar_one())
        late = await world.end(first, EndingKind.RESCHEDULED, again_after_s=0.0)

        assert count == 50
        assert late == "stale"

    # Deferring.

    async def test_a_wait_for_a_time_is_over_then(self, world: World) -> None:
        run, _ = await self.deferred(world, {"key": "time:1", "kind": "time", "after_s": 60.0})
        shown = await world.task(run, "waits")
        world.now += 60
        await world.leases.queue_due(now=world.now)
        (again,) = await world.claim()

        assert (shown.state, shown.reason) == (TaskState.DEFERRED, "waits for a time")
        assert [(wait.key, wait.verdict) for wait in again.earlier.waits] == [("time:1", WaitVerdict.CAME)]
        assert (again.try_number, again.earlier.resumed) == (1, "defer")

    async def test_an_event_reaches_everyone_who_waits_for_its_name_and_nobody_else(self, world: World) -> None:
        runs = [(await self.deferred(world, an_event()))[0] for _ in range(2)]
        other, _ = await self.deferred(world, an_event("closes"))

        assert await self.send(world, value={"tons": 3}) == 2
        again = await world.claim(most=5)

        assert {claimed.run.run for claimed in again} == set(runs)
        assert [claimed.earlier.waits[0].value for claimed in again] == [{"tons": 3}] * 2
        assert (await world.task(other, "waits")).state is TaskState.DEFERRED

    async def test_an_event_is_no_business_of_another_team(self, world: World) -> None:
        run, _ = await self.deferred(world, an_event())
        await world.database.write(
            lambda tx: tx.run(text("INSERT INTO teams (id, name, created_at) VALUES ('team_2', 'rivals', 0)"))
        )

        sent = await self.events.send(Team(id="team_2", name="rivals"), "ev", "opens", 1, by=self.by(world))

        assert sent.resumed == 0
        assert (await world.task(run, "waits")).state is TaskState.DEFERRED

    async def test_an_event_counts_from_when_the_task_began_to_wait_however_late_that_is_heard(
        self, world: World
    ) -> None:
        await world.run(program("waits"))
        (claimed,) = await world.claim()
        await self.send(world, value="too early")
        await self.send(world, value="meanwhile")
        world.now += 3600

        await world.end(claimed, EndingKind.DEFERRED, wait=an_event(since_start_s=1.5))
        (again,) = await world.claim()

        assert again.earlier.waits[0].value == "meanwhile"

    async def test_sending_and_beginning_to_wait_at_once_lose_nothing(self, world: World) -> None:
        await world.run(*(program(f"waits-{n}") for n in range(20)))
        claimed = await world.claim(most=20)
        ended = [world.end(one, EndingKind.DEFERRED, wait=an_event(since_start_s=0.0)) for one in claimed]
        await asyncio.gather(*ended[:10], self.send(world, value=1), *ended[10:])

        assert sum([len(await world.claim(most=8)) for _ in range(4)]) == 20

    async def test_a_wait_ends_with_its_timeout_and_the_next_try_waits_anew(self, world: World) -> None:
        await self.deferred(world, an_event(timeout_s=60.0), retries=1, retry_delay_s=0.0)
        world.now += 60
        await world.leases.queue_due(now=world.now)
        (again,) = await world.claim()
        await world.end(again, EndingKind.FAILED)
        await world.leases.queue_due(now=world.now)
        (next_try,) = await world.claim()

        assert [wait.verdict for wait in again.earlier.waits] == [WaitVerdict.TIMED_OUT]
        assert (next_try.try_number, next_try.earlier.waits) == (2, [])

    async def test_a_run_is_waited_for_until_it_has_ended(self, world: World) -> None:
        other = await world.run(program("other"), dag="other")
        (leased,) = await world.claim()
        await self.deferred(world, {"key": "run", "kind": "run", "run": other})

        before = await world.claim()
        await world.end(leased)
        (again,) = await world.claim()

        assert before == []
        assert again.earlier.waits[0].value == {"run": other, "state": "success"}

    @pytest.mark.parametrize(
        ("states", "verdict"),
        [([], WaitVerdict.CAME), (["success"], WaitVerdict.CAME), (["failed"], WaitVerdict.REFUSED)],
    )
    async def test_a_run_that_ended_before_is_seen_at_once(
        self, world: World, states: list[str], verdict: WaitVerdict
    ) -> None:
        other = await world.run(program("other"), dag="other")
        await world.end((await world.claim())[0])
        await self.deferred(world, {"key": "run", "kind": "run", "run": other, "states": states})

        (again,) = await world.claim()

        assert again.earlier.waits[0].verdict is verdict

    async def test_a_run_that_the_team_does_not_have_is_told_so(self, world: World) -> None:
        await self.deferred(world, {"key": "run", "kind": "run", "run": "run_of\0nobody"})

        (again,) = await world.claim()

        assert again.earlier.waits[0].verdict is WaitVerdict.REFUSED
        assert "there is no run" in (again.earlier.waits[0].message or "")

    async def test_waiting_for_ones_own_run_is_a_failure(self, world: World) -> None:
        run = await world.run(program("waits", retries=5))
        (claimed,) = await world.claim()

        await world.end(claimed, EndingKind.DEFERRED, wait={"key": "run", "kind": "run", "run": run})

        task = await world.task(run, "waits")
        assert (task.state, "it would wait for itself" in (task.reason or "")) == (TaskState.FAILED, True)

    async def test_there_is_a_most_of_waits_and_none_of_reschedules(self, world: World) -> None:
        run = await world.run(program("waits"))
        for number in range(101):
            (claimed,) = await world.claim()
            wait = {"key": f"time:{number}", "kind": "time", "after_s": 0.0}
            await world.end(claimed, EndingKind.DEFERRED, wait=wait)
            await world.leases.queue_due(now=world.now)

        task = await world.task(run, "waits")
        assert (task.state, "use reschedule" in (task.reason or "")) == (TaskState.FAILED, True)

    async def test_a_deferral_that_was_recorded_is_not_recorded_again(self, world: World) -> None:
        run, claimed = await self.deferred(world, an_event())

        assert await world.end(claimed, EndingKind.DEFERRED, wait=an_event()) == "duplicate"
        assert (await world.task(run, "waits")).state is TaskState.DEFERRED

    async def test_cancelling_ends_what_waits_at_once_and_closes_what_was_asked(self, world: World) -> None:
        run, _ = await self.deferred(world, a_question())
        asked = await self.the_input(world, run)

        await world.runs.cancel(TEAM, run, reason="wrong day", by=self.by(world))

        assert (await world.look(run)).state is RunState.CANCELLED
        assert (await self.questions.get(OURS, asked)).state is AskedState.CLOSED
        with pytest.raises(ConflictError, match="the run was cancelled"):
            await self.questions.answer(OURS, asked, Answer(chosen=["yes"]), name="ann", by=self.by(world))

    async def test_a_success_skips_the_direct_downstream_it_names_and_rules_decide_the_rest(self, world: World) -> None:
        run = await world.run(
            program("decides"),
            program("left", "decides"),
            program("right", "decides"),
            program("after", "left"),
            program("always", "left", trigger_rule="all_done"),
        )
        (claimed,) = await world.claim()

        await world.end(claimed, skip=["left", "after", "nobody"])

        states = await world.states(run)
        assert states == {
            "decides": "success", "left": "skipped", "right": "queued", "after": "skipped", "always": "queued"
        }  # fmt: skip

    async def test_a_failure_skips_nothing(self, world: World) -> None:
        run = await world.run(program("decides"), program("left", "decides", trigger_rule="all_done"))
        (claimed,) = await world.claim()

        await world.end(claimed, EndingKind.FAILED, skip=["left"])

        assert (await world.states(run))["left"] == "queued"
