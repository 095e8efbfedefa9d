"""``/v1/task/xcoms``: what a running task reads of its run's results."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import StreamingResponse

from leasehold_api.callers import TaskCaller
from leasehold_api.errors import ApiError
from leasehold_api.http.access import task_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.telemetry.attempts import XCom
from leasehold_protocol.v1.context import XComValue
from leasehold_protocol.v1.message import Key, Name
from leasehold_protocol.v1.problems import ProblemCode

router = APIRouter(prefix="/v1/task", tags=["tasks"])

Caller = Annotated[TaskCaller, Depends(task_caller)]


@router.get("/xcoms/{task}/{key:path}/content")
async def get_xcom_content(
    request: Request, caller: Caller, task: Annotated[Name, Path()], key: Annotated[Key, Path()], map_index: int = -1
) -> Response:
    """Return a value's JSON text, however long."""
    xcom = await _find(request, caller, task, key, map_index)
    if xcom.upload is None:
        return Response(xcom.value, media_type="application/json")
    return StreamingResponse(house(request).blobs_of(caller.team_id).open(xcom.upload), media_type="application/json")


@router.get("/xcoms/{task}/{key:path}", response_model=XComValue)
async def get_xcom(
    request: Request, caller: Caller, task: Annotated[Name, Path()], key: Annotated[Key, Path()], map_index: int = -1
) -> Response:
    """Return a value; a large one is named only, and read at ``…/content``."""
    xcom = await _find(request, caller, task, key, map_index)
    return answer(
        XComValue(
            task=xcom.task,
            map_index=xcom.map_index,
            key=xcom.key,
            size=xcom.size,
            value=None if xcom.value is None else json.loads(xcom.value),
            inline=xcom.value is not None,
        )
    )


async def _find(request: Request, caller: TaskCaller, task: str, key: str, map_index: int) -> XCom:
    if task != caller.task and f"xcom:{task}:read" not in caller.scopes:
        raise ApiError(
            f"task {caller.task} does not depend on {task}; "
            f"use its result as an argument, or write {task} >> {caller.task}",
            code=ProblemCode.NOT_DECLARED,
        )
    return await house(request).attempts.xcom(
        reader=caller.task_instance,
        epoch=caller.epoch,
        agent_id=caller.agent_id,
        task=task,
        key=key,
        map_index=map_index,
    )
