"""``/v1/teams/{team}/sites``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api import clock
from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_protocol.v1.fleet import LockRequest, Role, Site, SiteList, SiteWrite
from leasehold_protocol.v1.message import Name

router = APIRouter(prefix="/v1/teams/{team}", tags=["sites"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Operator = Annotated[TeamCaller, Depends(in_team(Role.OPERATOR))]
Admin = Annotated[TeamCaller, Depends(in_team(Role.ADMIN))]
SiteName = Annotated[Name, Path()]


@router.get("/sites", response_model=SiteList)
async def list_sites(request: Request, caller: Viewer, part: Part) -> Response:
    """List the team's sites."""
    return answer(await house(request).registry.sites.list(team_of(caller), part, now=clock.now()))


@router.get("/sites/{site}", response_model=Site)
async def show_site(request: Request, caller: Viewer, site: SiteName) -> Response:
    """Show one site."""
    return answer(await house(request).registry.sites.get(team_of(caller), site, now=clock.now()))


@router.put("/sites/{site}", response_model=Site, responses={201: {"model": Site, "description": "Created"}})
async def put_site(request: Request, caller: Operator, site: SiteName, body: SiteWrite) -> Response:
    """Make a site, or change it. Work that waits is matched with it at once."""
    made, is_new = await house(request).registry.sites.put(
        team_of(caller), site, body, site_id=clock.new_id("site"), by=done_by(caller)
    )
    return answer(made, status=201 if is_new else 200)


@router.post("/sites/{site}/lock", response_model=Site)
async def lock_site(request: Request, caller: Operator, site: SiteName, body: LockRequest) -> Response:
    """Lock a site: from their next request on its agents are refused, and nobody enrols there."""
    locked = await house(request).registry.sites.lock(
        team_of(caller), site, because=body.reason, running=body.running, by=done_by(caller)
    )
    return answer(locked)


@router.post("/sites/{site}/unlock", response_model=Site)
async def unlock_site(request: Request, caller: Operator, site: SiteName) -> Response:
    """Let a site's agents in again, except those that are locked themselves."""
    return answer(await house(request).registry.sites.unlock(team_of(caller), site, by=done_by(caller)))


@router.post("/sites/{site}/trust", response_model=Site)
async def trust_site(request: Request, caller: Admin, site: SiteName) -> Response:
    """Let leases bring open secrets along to this site: only where the agent's machine is trusted with them."""
    return answer(await house(request).registry.sites.trust(team_of(caller), site, trusted=True, by=done_by(caller)))


@router.post("/sites/{site}/untrust", response_model=Site)
async def untrust_site(request: Request, caller: Admin, site: SiteName) -> Response:
    """Let leases bring no secrets along any more; tasks ask for them, as elsewhere."""
    return answer(await house(request).registry.sites.trust(team_of(caller), site, trusted=False, by=done_by(caller)))


@router.delete("/sites/{site}", status_code=204)
async def delete_site(request: Request, caller: Operator, site: SiteName) -> Response:
    """Remove a site that never ran a task, with its locked agents."""
    await house(request).registry.sites.delete(team_of(caller), site, by=done_by(caller))
    return Response(status_code=204)
