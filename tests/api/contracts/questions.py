"""What every store promises of questions to people."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from leasehold_api.acting import Slice, Team
from leasehold_api.errors import ConflictError, ForbiddenError, InvalidRequestError, NotFoundError
from leasehold_protocol.v1.inputs import AskedState
from leasehold_protocol.v1.runs import TaskState
from leasehold_protocol.v1.waiting import Answer, WaitVerdict
from tests.api.contracts.waiting_world import OURS, WaitingWorld, a_question
from tests.support.world import World


class QuestionsContract(WaitingWorld):
    """Inherited by ``WaitsContract``."""

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
