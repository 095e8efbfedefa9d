"""What every store promises of tasks that wait without a slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from leasehold_api.acting import By, Slice, Team
from leasehold_api.callers import TaskCaller
from leasehold_api.errors import ConflictError, ForbiddenError, InvalidRequestError, LeaseLostError, NotFoundError
from leasehold_api.leases.claimed import Claimed
from leasehold_api.storage.sql_questions import SqlEvents, SqlQuestions
from leasehold_api.storage.sql_task_state import SqlTaskState
from leasehold_protocol.v1.inputs import AskedState
from leasehold_protocol.v1.leases import EndingKind, Outcome
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.waiting import Answer, StateChange, WaitVerdict
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, TEAM, World, outcome, program

OURS = Team(id=TEAM, name="default")
ASKED = {"question": "Ship it?", "options": ["yes", "no"], "assigned_to": []}


def a_question(key: str = "ship", default: Any = None, timeout_s: float | None = None, **more: Any) -> dict[str, Any]:
    return {
        "key": key,
        "kind": "question",
        "question": {**ASKED, **more},
        "default": default,
        "timeout_s": timeout_s,
        "since_start_s": 0,
    }


def an_event(name: str = "opens", **more: Any) -> dict[str, Any]:
    return {"key": f"event:{name}", "kind": "event", "event": name, **more}


class WaitsContract:
    """Inherited once per database."""

    kind: str

    @pytest.fixture
    async def world(self) -> AsyncIterator[World]:
        with open_database(self.kind) as (database, _published):
            world = await World(database).settle()
            self.questions, self.events, self.state = (
                SqlQuestions(database),
                SqlEvents(database),
                SqlTaskState(database),
            )
            yield world

    def by(self, world: World, name: str = "ann") -> By:
        return By(actor=f"user:{name}", at=world.now)

    async def deferred(self, world: World, wait: dict[str, Any], **settings: Any) -> tuple[str, Claimed]:
        """Return a run whose only task waits, and what it was leased as."""
        run = await world.run(program("waits", **settings))
        (claimed,) = await world.claim()
        assert await world.end(claimed, EndingKind.DEFERRED, wait=wait) == "recorded"
        return run, claimed

    async def send(self, world: World, name: str = "opens", value: Any = None) -> int:
        world.now += 1
        by = self.by(world)
        return (await self.events.send(OURS, f"ev_{world.now}", name, value, by=by)).resumed

    async def the_input(self, world: World, run: str) -> str:
        found = (await world.task(run, "waits")).input
        assert found is not None
        return found

    async def answer(self, world: World, run: str, chosen: str = "yes", name: str = "ann") -> None:
        given = Answer(chosen=[chosen])
        await self.questions.answer(OURS, await self.the_input(world, run), given, name=name, by=self.by(world, name))

    # Rescheduling.

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

    # Asking people.

    async def test_an_answer_is_given_to_the_task_with_who_gave_it(self, world: World) -> None:
        run, _ = await self.deferred(world, a_question())
        shown = await world.task(run, "waits")
        await self.answer(world, run)
        (again,) = await world.claim()
        (asked,) = await self.questions.list(OURS, Slice(), state=AskedState.ANSWERED)

        wait = again.earlier.waits[0]
        assert (wait.value, wait.by, again.earlier.resumed) == ({"chosen": ["yes"], "params": {}}, "user:ann", "input")
        assert (asked.answered_by, asked.answer) == ("user:ann", Answer(chosen=["yes"]))
        assert f"leasehold inputs answer {asked.input}" in (shown.reason or "")

    async def test_of_two_who_answer_at_once_one_does(self, world: World) -> None:
        run, _ = await self.deferred(world, a_question())
        asked = await self.the_input(world, run)

        given = await asyncio.gather(
            *(
                self.questions.answer(OURS, asked, Answer(chosen=["yes"]), name=name, by=self.by(world, name))
                for name in ("ann", "bob")
            ),
            return_exceptions=True,
        )

        (refused,) = [one for one in given if one is not None]
        assert isinstance(refused, ConflictError)
        assert "answered this already" in refused.detail
        assert len(await world.claim(most=5)) == 1

    async def test_of_an_answer_and_the_timeout_at_once_one_counts(self, world: World) -> None:
        run, _ = await self.deferred(world, a_question(timeout_s=60.0))
        asked = await self.the_input(world, run)
        world.now += 60

        _, answered = await asyncio.gather(
            world.leases.queue_due(now=world.now),
            self.questions.answer(OURS, asked, Answer(chosen=["yes"]), name="ann", by=self.by(world)),
            return_exceptions=True,
        )

        (again,) = await world.claim(most=5)
        came = again.earlier.waits[0].verdict is WaitVerdict.CAME
        assert came == (answered is None)

    async def test_the_default_counts_when_nobody_answered_in_time(self, world: World) -> None:
        run, _ = await self.deferred(world, a_question(default={"chosen": ["no"]}, timeout_s=60.0))
        asked = await self.the_input(world, run)
        world.now += 61
        await world.leases.queue_due(now=world.now)
        (again,) = await world.claim()

        wait = again.earlier.waits[0]
        assert (wait.verdict, wait.value, wait.by) == (WaitVerdict.CAME, {"chosen": ["no"], "params": {}}, None)
        assert (await self.questions.get(OURS, asked)).state is AskedState.TIMED_OUT
        with pytest.raises(ConflictError, match="the time to answer is over"):
            await self.questions.answer(OURS, asked, Answer(chosen=["yes"]), name="ann", by=self.by(world))

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            ({"chosen": ["perhaps"], "params": {"tons": 1}}, "none of the options: yes, no"),
            ({"chosen": ["yes", "no"], "params": {"tons": 1}}, "exactly one"),
            ({"chosen": [], "params": {"tons": 1}}, "exactly one"),
            ({"chosen": ["yes"]}, "tons"),
            ({"chosen": ["yes"], "params": {"tons": "many"}}, "many"),
            ({"chosen": ["yes"], "params": {"tons": 1, "color": "red"}}, "unknown parameter; the question has tons"),
        ],
    )
    async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays_open(
        self, world: World, answer: dict[str, Any], says: str
    ) -> None:
        run, _ = await self.deferred(world, a_question(params={"tons": {"type": "integer"}}))
        asked = await self.the_input(world, run)

        with pytest.raises(InvalidRequestError, match=says):
            await self.questions.answer(OURS, asked, Answer.model_validate(answer), name="ann", by=self.by(world))

        assert (await self.questions.get(OURS, asked)).state is AskedState.OPEN

    async def test_only_those_who_are_assigned_may_answer(self, world: World) -> None:
        run, _ = await self.deferred(world, a_question(assigned_to=["bob"]))

        with pytest.raises(ForbiddenError, match="assigned to bob"):
            await self.answer(world, run, name="ann")
        await self.answer(world, run, name="bob")

        assert len(await world.claim()) == 1

    async def test_another_teams_question_is_none(self, world: World) -> None:
        run, _ = await self.deferred(world, a_question())
        asked = await self.the_input(world, run)

        with pytest.raises(NotFoundError):
            await self.questions.get(Team(id="team_2", name="rivals"), asked)

    @pytest.mark.parametrize(
        ("question", "says"),
        [
            (a_question(options=["yes", "yes"]), "two of them are the same"),
            (a_question(options=[]), "nothing to answer"),
            (a_question(params={"tons": {"type": "heavy"}}), "heavy"),
            (a_question(params={"tons": {"$ref": "http://127.0.0.1/"}}), "may not refer"),
            (a_question(default={"chosen": ["perhaps"]}), "default: chosen: 'perhaps'"),
        ],
    )
    async def test_a_question_that_nobody_could_answer_is_the_tasks_failure(
        self, world: World, question: dict[str, Any], says: str
    ) -> None:
        run, _ = await self.deferred(world, question, retries=3)

        task = await world.task(run, "waits")
        assert task.state is TaskState.FAILED
        assert says in (task.reason or "")

    # Task state.

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

    # Skipping what comes after.

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
