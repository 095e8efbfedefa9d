"""``/v1/teams/{team}/agents/{agent}/…``: pausing, draining and resuming an agent, and its slots."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api.callers import TeamCaller
from leasehold_api.fleet import orders
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import done_by, team_of
from leasehold_protocol.v1.fleet import Agent, Role
from leasehold_protocol.v1.message import Identifier
from leasehold_protocol.v1.orders import DrainRequest, PauseRequest, SlotsRequest

router = APIRouter(prefix="/v1/teams/{team}/agents/{agent}", tags=["agents"])

Operator = Annotated[TeamCaller, Depends(in_team(Role.OPERATOR))]
AgentIdOrName = Annotated[Identifier, Path()]


@router.post("/pause", response_model=Agent)
async def pause_agent(request: Request, caller: Operator, agent: AgentIdOrName, body: PauseRequest) -> Response:
    """Let an agent take no new leases, for a time or until it is resumed; what it runs goes on."""
    by = done_by(caller)
    revise = orders.paused(note=body.note, for_s=body.for_s, by=by.actor, now=by.at)
    return await _order(request, caller, agent, revise, "agent.paused", {"note": body.note, "for_s": body.for_s})


@router.post("/drain", response_model=Agent)
async def drain_agent(request: Request, caller: Operator, agent: AgentIdOrName, body: DrainRequest) -> Response:
    """Let an agent take no new leases, and end when everything it has is delivered."""
    by = done_by(caller)
    revise = orders.drained(note=body.note, by=by.actor, now=by.at)
    return await _order(request, caller, agent, revise, "agent.drained", {"note": body.note})


@router.post("/resume", response_model=Agent)
async def resume_agent(request: Request, caller: Operator, agent: AgentIdOrName) -> Response:
    """Let an agent take leases again that was paused or drained here."""
    return await _order(request, caller, agent, orders.resumed(), "agent.resumed", {})


@router.post("/slots", response_model=Agent)
async def set_slots(request: Request, caller: Operator, agent: AgentIdOrName, body: SlotsRequest) -> Response:
    """Let an agent use at most so many slots, never more than its own operator and its site allow."""
    by = done_by(caller)
    revise = orders.with_slots(body.slots, note=body.note, by=by.actor, now=by.at)
    return await _order(request, caller, agent, revise, "agent.slots_set", {"slots": body.slots, "note": body.note})


async def _order(
    request: Request, caller: TeamCaller, agent: str, revise: orders.Revision, action: str, detail: dict[str, Any]
) -> Response:
    ordered = await house(request).registry.agents.order(
        team_of(caller), agent, revise, action=action, detail=detail, by=done_by(caller)
    )
    return answer(ordered)
