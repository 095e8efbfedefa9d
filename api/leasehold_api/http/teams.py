"""``/v1/whoami`` and ``/v1/teams``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.callers import PersonCaller, PersonKind
from leasehold_api.http.access import person_caller, platform_admin
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part
from leasehold_protocol.v1.fleet import Team, TeamList, TeamWrite, WhoAmI

router = APIRouter(prefix="/v1", tags=["teams"])

Person = Annotated[PersonCaller, Depends(person_caller)]
PlatformAdmin = Annotated[PersonCaller, Depends(platform_admin)]

_KINDS = {PersonKind.API_TOKEN: "api_token", PersonKind.USER: "user", PersonKind.CLIENT: "service_client"}


@router.get("/whoami", response_model=WhoAmI)
async def who_am_i(caller: Person) -> Response:
    """Say who is calling, and what they may do where."""
    home = caller.only_membership
    return answer(
        WhoAmI(
            name=caller.name,
            kind="platform_admin" if caller.is_platform_admin else _KINDS[caller.kind],
            role=home.role if home else None,
            team=home.team if home else None,
            roles={team: membership.role for team, membership in caller.memberships.items()},
            expires_at=clock.instant_or_none(caller.expires_at),
        )
    )


@router.get("/teams", response_model=TeamList)
async def list_teams(request: Request, caller: Person, part: Part) -> Response:
    """List the teams that the caller can work in."""
    only = None if caller.is_platform_admin else frozenset(caller.memberships)
    return answer(await house(request).registry.teams.list(part, only=only))


@router.post("/teams", response_model=Team, status_code=201)
async def create_team(request: Request, caller: PlatformAdmin, body: TeamWrite) -> Response:
    """Make a team."""
    by = By(actor=caller.actor, at=clock.now(), address=caller.address)
    team = await house(request).registry.teams.create(body.name, team_id=clock.new_id("team"), by=by)
    return answer(team, status=201)
