"""``/v1/teams/{team}/pools``, and ``/v1/teams/{team}/limits``: how much of a team's work runs at once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.callers import PersonCaller, TeamCaller
from leasehold_api.http.access import in_team, platform_admin
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.limits import Pool, PoolList, PoolWrite, TeamLimits
from leasehold_protocol.v1.message import Name

router = APIRouter(prefix="/v1/teams/{team}", tags=["limits"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Operator = Annotated[TeamCaller, Depends(in_team(Role.OPERATOR))]
PlatformAdmin = Annotated[PersonCaller, Depends(platform_admin)]
PoolName = Annotated[Name, Path()]

_CREATED: dict[int | str, dict[str, Any]] = {201: {"model": Pool, "description": "Created"}}


@router.get("/pools", response_model=PoolList)
async def list_pools(request: Request, caller: Viewer, part: Part) -> Response:
    """List the team's pools and how full they are."""
    return answer(await house(request).pools.list(team_of(caller), part))


@router.get("/pools/{pool}", response_model=Pool)
async def show_pool(request: Request, caller: Viewer, pool: PoolName) -> Response:
    """Show one pool."""
    return answer(await house(request).pools.get(team_of(caller), pool))


@router.put("/pools/{pool}", response_model=Pool, responses=_CREATED)
async def put_pool(request: Request, caller: Operator, pool: PoolName, body: PoolWrite) -> Response:
    """Make a pool, or change it. What waited for new slots may start at once; fewer slots end nothing that runs."""
    made, is_new = await house(request).pools.put(team_of(caller), pool, body, by=done_by(caller))
    return answer(made, status=201 if is_new else 200)


@router.delete("/pools/{pool}", status_code=204)
async def delete_pool(request: Request, caller: Operator, pool: PoolName) -> Response:
    """Remove a pool that nothing uses at the moment."""
    await house(request).pools.delete(team_of(caller), pool, by=done_by(caller))
    return Response(status_code=204)


@router.put("/limits", response_model=TeamLimits)
async def put_team_limits(
    request: Request, caller: PlatformAdmin, team: Annotated[Name, Path()], body: TeamLimits
) -> Response:
    """Set how many task instances of a team run at once, at all its sites together."""
    by = By(actor=caller.actor, at=clock.now(), address=caller.address)
    await house(request).ceilings.put(team, body.max_running, by=by)
    return answer(body)
