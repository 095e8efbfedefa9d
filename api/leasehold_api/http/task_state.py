"""``/v1/task/state``: what a running task kept in earlier tries; and what attempts keep, as their agents deliver it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from leasehold_api import clock
from leasehold_api.callers import AgentCaller, TaskCaller
from leasehold_api.http.access import agent_caller, task_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_protocol.v1.message import Key
from leasehold_protocol.v1.tasks import StateKeys, StateValue
from leasehold_protocol.v1.waiting import StateChanges

router = APIRouter(prefix="/v1", tags=["tasks"])

Task = Annotated[TaskCaller, Depends(task_caller)]
Agent = Annotated[AgentCaller, Depends(agent_caller)]


@router.get("/task/state", response_model=StateKeys)
async def list_state(request: Request, caller: Task, prefix: Annotated[str, Query(max_length=250)] = "") -> Response:
    """List the keys that the task keeps."""
    return answer(StateKeys(keys=await house(request).task_state.keys(caller, prefix, now=clock.now())))


@router.get("/task/state/{key:path}", response_model=StateValue)
async def read_state(request: Request, caller: Task, key: Annotated[Key, Path()]) -> Response:
    """Return a value that the task kept."""
    return answer(StateValue(key=key, value=await house(request).task_state.get(caller, key, now=clock.now())))


@router.put("/attempts/{attempt}/state", status_code=204)
async def write_state(request: Request, caller: Agent, attempt: str, body: StateChanges) -> Response:
    """Take what an attempt keeps for later ones, unless a newer attempt has the lease."""
    await house(request).task_state.write(caller.agent_id, attempt, body.changes, now=clock.now())
    return Response(status_code=204)
