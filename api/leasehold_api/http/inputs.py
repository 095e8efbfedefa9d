"""``/v1/teams/{team}/inputs`` and ``…/events``: what tasks wait for people to say."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api import clock
from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_api.runs.questions import check_size
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.inputs import AskedQuestion, AskedQuestionList, AskedState, SendEvent, SentEvent
from leasehold_protocol.v1.message import Identifier
from leasehold_protocol.v1.waiting import Answer

router = APIRouter(prefix="/v1/teams/{team}", tags=["waiting"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Author = Annotated[TeamCaller, Depends(in_team(Role.AUTHOR))]
Operator = Annotated[TeamCaller, Depends(in_team(Role.OPERATOR))]
InputId = Annotated[Identifier, Path()]


@router.get("/inputs", response_model=AskedQuestionList)
async def list_inputs(request: Request, caller: Viewer, part: Part, state: AskedState | None = None) -> Response:
    """List what tasks ask people, and asked."""
    found = await house(request).questions.list(team_of(caller), part, state=state)
    following = found[-1].input if found and len(found) >= part.limit else None
    return answer(AskedQuestionList(items=found, next=following))


@router.get("/inputs/{input}", response_model=AskedQuestion)
async def get_input(
    request: Request,
    caller: Viewer,
    input: InputId,  # noqa: A002 - the name in the path
) -> Response:
    """Return one question, and its answer if it has one."""
    return answer(await house(request).questions.get(team_of(caller), input))


@router.post("/inputs/{input}/answer", response_model=AskedQuestion)
async def answer_input(
    request: Request,
    caller: Operator,
    input: InputId,  # noqa: A002 - the name in the path
    body: Answer,
) -> Response:
    """Answer a question: once, by somebody who may. Its task goes on."""
    questions, team = house(request).questions, team_of(caller)
    await questions.answer(team, input, body, name=caller.person.name, by=done_by(caller))
    return answer(await questions.get(team, input))


@router.post("/events", response_model=SentEvent, status_code=201)
async def send_event(request: Request, caller: Author, body: SendEvent) -> Response:
    """Send an event to every task of the team that waits for it."""
    check_size(body.value, what="the value")
    sent = await house(request).events.send(
        team_of(caller), clock.new_id("ev"), body.name, body.value, by=done_by(caller)
    )
    return answer(sent, status=201)
