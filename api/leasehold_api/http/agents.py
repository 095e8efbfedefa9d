"""``/v1/teams/{team}/agents``: agents as people see them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api import clock
from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_protocol.v1.fleet import Agent, AgentList, LockRequest, Role
from leasehold_protocol.v1.message import Identifier

router = APIRouter(prefix="/v1/teams/{team}", tags=["agents"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Operator = Annotated[TeamCaller, Depends(in_team(Role.OPERATOR))]
AgentIdOrName = Annotated[Identifier, Path()]


@router.get("/agents", response_model=AgentList)
async def list_agents(request: Request, caller: Viewer, part: Part) -> Response:
    """List the team's agents."""
    return answer(await house(request).registry.agents.list(team_of(caller), part, now=clock.now()))


@router.get("/agents/{agent}", response_model=Agent)
async def show_agent(request: Request, caller: Viewer, agent: AgentIdOrName) -> Response:
    """Show one agent, by its id, or by its name when only one has it."""
    return answer(await house(request).registry.agents.get(team_of(caller), agent, now=clock.now()))


@router.post("/agents/{agent}/lock", response_model=Agent)
async def lock_agent(request: Request, caller: Operator, agent: AgentIdOrName, body: LockRequest) -> Response:
    """Lock an agent: from its next request on it is refused. Its site goes on."""
    locked = await house(request).registry.agents.lock(
        team_of(caller), agent, because=body.reason, running=body.running, by=done_by(caller)
    )
    return answer(locked)


@router.post("/agents/{agent}/unlock", response_model=Agent)
async def unlock_agent(request: Request, caller: Operator, agent: AgentIdOrName) -> Response:
    """Let an agent in again; it gets a new access token with its key."""
    return answer(await house(request).registry.agents.unlock(team_of(caller), agent, by=done_by(caller)))
