"""``/v1/task/connections`` and ``/v1/task/variables``: what a running task is given, and the variables it sets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from leasehold_api import clock
from leasehold_api.context.store import TaskReader
from leasehold_api.http.access import TaskCaller, task_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_protocol.v1.context import ConnectionValue, VariableValue, VariableWrite
from leasehold_protocol.v1.message import Key, Name

router = APIRouter(prefix="/v1/task", tags=["tasks"])

Caller = Annotated[TaskCaller, Depends(task_caller)]
VariableKey = Annotated[Key, Path()]

_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/connections/{connection}", response_model=ConnectionValue)
async def read_connection(request: Request, caller: Caller, connection: Annotated[Name, Path()]) -> Response:
    """Return a connection with its secrets, if the task declared it and its site is granted it now."""
    value = await house(request).connections.read(_reader(request, caller), connection, now=clock.now())
    return answer(value, headers=_NO_STORE)


@router.get("/variables/{key:path}", response_model=VariableValue)
async def read_variable(request: Request, caller: Caller, key: VariableKey) -> Response:
    """Return a variable that the task declared."""
    value = await house(request).variables.read(_reader(request, caller), key, now=clock.now())
    return answer(value, headers=_NO_STORE)


@router.put("/variables/{key:path}", status_code=204)
async def write_variable(request: Request, caller: Caller, key: VariableKey, body: VariableWrite) -> Response:
    """Set a variable that the task declared."""
    await house(request).variables.write(_reader(request, caller), key, body.value, now=clock.now())
    return Response(status_code=204)


@router.delete("/variables/{key:path}", status_code=204)
async def remove_variable(request: Request, caller: Caller, key: VariableKey) -> Response:
    """Remove a variable that the task declared."""
    await house(request).variables.remove(_reader(request, caller), key, now=clock.now())
    return Response(status_code=204)


def _reader(request: Request, caller: TaskCaller) -> TaskReader:
    return TaskReader(
        agent_id=caller.agent_id,
        site_id=caller.site_id,
        team_id=caller.team_id,
        task_instance=caller.task_instance,
        epoch=caller.epoch,
        attempt=caller.attempt,
        task=caller.task,
        run=caller.run,
        dag=caller.dag,
        scopes=caller.scopes,
        address=request.client.host if request.client else None,
    )
