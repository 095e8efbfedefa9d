"""Who has which role in a team."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api.callers import TeamCaller
from leasehold_api.errors import ForbiddenError
from leasehold_api.fleet.roles import includes
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.people import Member, MemberList, MemberWrite, UserName

router = APIRouter(prefix="/v1/teams/{team}/members", tags=["people"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Admin = Annotated[TeamCaller, Depends(in_team(Role.ADMIN))]
Named = Annotated[UserName, Path()]


@router.get("", response_model=MemberList)
async def list_members(request: Request, caller: Viewer, part: Part) -> Response:
    """List the team's members; the platform admins are none unless they have a role."""
    return answer(await house(request).people.members.list(team_of(caller), part))


@router.put("/{user}", response_model=Member)
async def put_member(request: Request, caller: Admin, user: Named, body: MemberWrite) -> Response:
    """Give somebody a role in the team, in place of one that was granted before."""
    if not includes(caller.role, body.role):
        raise ForbiddenError(f"you have the role {caller.role} and can't give the role {body.role}")
    return answer(await house(request).people.members.put(team_of(caller), user, body.role, by=done_by(caller)))


@router.delete("/{user}", status_code=204)
async def remove_member(request: Request, caller: Admin, user: Named) -> Response:
    """Take back the role that was granted."""
    await house(request).people.members.remove(team_of(caller), user, by=done_by(caller))
    return Response(status_code=204)
