"""What tasks ask people: which questions can be asked, which answers fit, who may answer; and the store of them."""

from __future__ import annotations

import json
from typing import Any, Protocol

from leasehold_api.acting import By, Slice, Team
from leasehold_api.dags.schema import check_params_schema, with_defaults
from leasehold_api.errors import ForbiddenError, InvalidRequestError
from leasehold_protocol.v1.inputs import AskedQuestion, AskedState, SentEvent
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.waiting import VALUE_BYTES, Answer, Question


def check_question(question: Question) -> None:
    """Refuse a question that nobody could answer.

    Raises:
        InvalidRequestError: saying what is wrong with it.
    """
    if len(set(question.options)) != len(question.options):
        raise InvalidRequestError("options: two of them are the same")
    if not question.options and not question.params:
        raise InvalidRequestError("it has neither options nor params: there is nothing to answer")
    text = json.dumps(question.params)
    if '"$ref"' in text or '"$dynamicRef"' in text:
        raise InvalidRequestError("params: a schema may not refer to others ($ref)")
    check_params_schema(_schema(question))


def check_default(question: Question, default: Answer | None) -> None:
    """Refuse a default that would be no answer.

    Raises:
        InvalidRequestError: saying why.
    """
    if default is not None:
        try:
            checked(question, default)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"default: {error.detail}") from None


def checked(question: Question, answer: Answer) -> Answer:
    """Return the answer as the task gets it: options in the question's order, defaults of params filled in.

    Raises:
        InvalidRequestError: if it does not fit the question.
    """
    if unknown := [choice for choice in answer.chosen if choice not in question.options]:
        raise InvalidRequestError(f"chosen: {unknown[0]!r} is none of the options: {_shown(question.options)}")
    if not question.multiple and question.options and len(set(answer.chosen)) != 1:
        raise InvalidRequestError(f"chosen: exactly one of the options is needed: {_shown(question.options)}")
    params = with_defaults(_schema(question), answer.params, of="the question")
    fitting = Answer(chosen=[choice for choice in question.options if choice in answer.chosen], params=params)
    check_size(fitting.model_dump(mode="json"), what="the answer")
    return fitting


def check_size(value: Json, *, what: str) -> None:
    """Refuse what is too large to travel with a lease.

    Raises:
        InvalidRequestError: saying how large it may be.
    """
    if len(json.dumps(value)) > VALUE_BYTES:
        raise InvalidRequestError(
            f"{what} is too large: {VALUE_BYTES // 1024} KiB of JSON are the most; put it where the task can read it, "
            "and send its place"
        )


def check_may_answer(question: Question, actor_name: str) -> None:
    """Refuse an answer by somebody whom the author did not assign.

    Raises:
        ForbiddenError: naming who may.
    """
    if question.assigned_to and actor_name not in question.assigned_to:
        raise ForbiddenError(f"this question is assigned to {_shown(question.assigned_to)}: only they may answer it")


def _schema(question: Question) -> dict[str, Any]:
    required = [
        name for name, each in question.params.items() if not (isinstance(each, dict) and "default" in each)
    ]  # fmt: skip
    return {
        "type": "object",
        "properties": dict(question.params),
        "required": required,
        "additionalProperties": False,
    }


def _shown(names: list[str]) -> str:
    return ", ".join(names) or "it has none"


class QuestionStore(Protocol):
    """What tasks ask people. Its promises are ``tests/api/contracts/waits.py``."""

    async def list(self, team: Team, part: Slice, *, state: AskedState | None) -> list[AskedQuestion]:
        """Return questions by their id, those in ``state`` only."""
        ...

    async def get(self, team: Team, input_id: str) -> AskedQuestion:
        """Return one.

        Raises:
            NotFoundError: if the team has none of that id.
        """
        ...

    async def answer(self, team: Team, input_id: str, answer: Answer, *, name: str, by: By) -> None:
        """Record an answer and start the task again, in one transaction.

        Args:
            team: The team whose task asks.
            input_id: The question.
            answer: What is answered.
            name: The user's name, as ``assigned_to`` has it.
            by: Who answers, for the audit trail.

        Raises:
            NotFoundError: if the team has none of that id.
            ForbiddenError: if the question is assigned to others.
            InvalidRequestError: if the answer does not fit.
            ConflictError: if it is not open any more, saying who answered.
        """
        ...


class EventStore(Protocol):
    """Events that tasks may wait for."""

    async def send(self, team: Team, event_id: str, name: str, value: Json, *, by: By) -> SentEvent:
        """Record an event and start again every task of the team that waits for it, in one transaction."""
        ...
