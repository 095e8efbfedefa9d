"""``/v1/teams/{team}/connections``: set and listed by people, without their secrets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api import clock
from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_protocol.v1.fleet import ConnectionList, ConnectionSummary, ConnectionWrite, Role
from leasehold_protocol.v1.message import Name

router = APIRouter(prefix="/v1/teams/{team}", tags=["connections"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Admin = Annotated[TeamCaller, Depends(in_team(Role.ADMIN))]
ConnectionName = Annotated[Name, Path()]

_CREATED: dict[int | str, dict[str, Any]] = {201: {"model": ConnectionSummary, "description": "Created"}}


@router.get("/connections", response_model=ConnectionList)
async def list_connections(request: Request, caller: Viewer, part: Part) -> Response:
    """List the team's connections, without their secrets."""
    return answer(await house(request).connections.list(team_of(caller), part))


@router.get("/connections/{connection}", response_model=ConnectionSummary)
async def show_connection(request: Request, caller: Viewer, connection: ConnectionName) -> Response:
    """Show one connection, without its secrets."""
    return answer(await house(request).connections.get(team_of(caller), connection))


@router.put("/connections/{connection}", response_model=ConnectionSummary, responses=_CREATED)
async def put_connection(
    request: Request, caller: Admin, connection: ConnectionName, body: ConnectionWrite
) -> Response:
    """Make a connection, or replace it as a whole, and say which sites reach it."""
    summary, is_new = await house(request).connections.put(
        team_of(caller), connection, body, connection_id=clock.new_id("conn"), by=done_by(caller)
    )
    return answer(summary, status=201 if is_new else 200)


@router.delete("/connections/{connection}", status_code=204)
async def delete_connection(request: Request, caller: Admin, connection: ConnectionName) -> Response:
    """Remove a connection. Tasks that need it wait from now on."""
    await house(request).connections.delete(team_of(caller), connection, by=done_by(caller))
    return Response(status_code=204)
