"""``/v1/task/connections`` and ``/v1/task/variables``: what a running task is given, and the variables it sets.

``/v1/task/id-token`` lets it prove to others which task it is.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from leasehold_api import clock
from leasehold_api.callers import TaskCaller
from leasehold_api.http.access import task_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part
from leasehold_protocol.v1.context import ConnectionValue, VariableKeys, VariableValue, VariableWrite
from leasehold_protocol.v1.message import Key, Name
from leasehold_protocol.v1.tasks import IdToken, IdTokenRequest

router = APIRouter(prefix="/v1/task", tags=["tasks"])

Caller = Annotated[TaskCaller, Depends(task_caller)]
VariableKey = Annotated[Key, Path()]

_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/connections/{connection}", response_model=ConnectionValue)
async def read_connection(request: Request, caller: Caller, connection: Annotated[Name, Path()]) -> Response:
    """Return a connection with its secrets, if the task declared it and its site is granted it now."""
    value = await house(request).connections.read(caller, connection, now=clock.now())
    return answer(value, headers=_NO_STORE)


@router.post("/id-token", response_model=IdToken)
async def issue_id_token(request: Request, caller: Caller, body: IdTokenRequest) -> Response:
    """Issue a token that proves to the audience which task this is, if the task declared the audience."""
    issued = await house(request).id_tokens.issue(caller, body.audience, now=clock.now())
    return answer(issued, headers=_NO_STORE)


@router.get("/variables", response_model=VariableKeys)
async def list_variables(
    request: Request, caller: Caller, part: Part, prefix: Annotated[str, Query(max_length=250)] = ""
) -> Response:
    """Return the keys of the variables that there are, of those that the task declared."""
    return answer(await house(request).variables.keys(caller, prefix, part, now=clock.now()), headers=_NO_STORE)


@router.get("/variables/{key:path}", response_model=VariableValue)
async def read_variable(request: Request, caller: Caller, key: VariableKey) -> Response:
    """Return a variable that the task declared."""
    value = await house(request).variables.read(caller, key, now=clock.now())
    return answer(value, headers=_NO_STORE)


@router.put("/variables/{key:path}", status_code=204)
async def write_variable(request: Request, caller: Caller, key: VariableKey, body: VariableWrite) -> Response:
    """Set a variable that the task declared."""
    variables = house(request).variables
    await variables.write(caller, key, body.value, now=clock.now(), description=body.description)
    return Response(status_code=204)


@router.delete("/variables/{key:path}", status_code=204)
async def remove_variable(request: Request, caller: Caller, key: VariableKey) -> Response:
    """Remove a variable that the task declared."""
    await house(request).variables.remove(caller, key, now=clock.now())
    return Response(status_code=204)
