"""``/v1/teams/{team}/variables``: set by authors; values are shown to operators and admins."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api.callers import TeamCaller
from leasehold_api.fleet.roles import includes
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part, done_by, team_of
from leasehold_protocol.v1.context import VariableWrite
from leasehold_protocol.v1.fleet import Role, VariableList, VariableSummary
from leasehold_protocol.v1.message import Key

router = APIRouter(prefix="/v1/teams/{team}", tags=["variables"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Author = Annotated[TeamCaller, Depends(in_team(Role.AUTHOR))]
VariableKey = Annotated[Key, Path()]

_NO_STORE = {"Cache-Control": "no-store"}
_CREATED: dict[int | str, dict[str, Any]] = {201: {"model": VariableSummary, "description": "Created"}}


def _sees_values(caller: TeamCaller) -> bool:
    return includes(caller.role, Role.OPERATOR)


@router.get("/variables", response_model=VariableList)
async def list_variables(request: Request, caller: Viewer, part: Part) -> Response:
    """List the team's variables; their values to operators and admins only."""
    variables = house(request).variables
    return answer(await variables.list(team_of(caller), part, with_values=_sees_values(caller)), headers=_NO_STORE)


@router.get("/variables/{key:path}", response_model=VariableSummary)
async def show_variable(request: Request, caller: Viewer, key: VariableKey) -> Response:
    """Show one variable; its value to operators and admins only."""
    variables = house(request).variables
    return answer(await variables.get(team_of(caller), key, with_values=_sees_values(caller)), headers=_NO_STORE)


@router.put("/variables/{key:path}", response_model=VariableSummary, responses=_CREATED)
async def put_variable(request: Request, caller: Author, key: VariableKey, body: VariableWrite) -> Response:
    """Set a variable; the answer does not repeat its value. Secret references take an admin."""
    summary, is_new = await house(request).variables.put(
        team_of(caller),
        key,
        body.value,
        may_refer=includes(caller.role, Role.ADMIN),
        by=done_by(caller),
        description=body.description,
    )
    return answer(summary, status=201 if is_new else 200)


@router.delete("/variables/{key:path}", status_code=204)
async def delete_variable(request: Request, caller: Author, key: VariableKey) -> Response:
    """Remove a variable."""
    await house(request).variables.delete(team_of(caller), key, by=done_by(caller))
    return Response(status_code=204)
