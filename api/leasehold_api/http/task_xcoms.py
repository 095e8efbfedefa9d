"""``/v1/task/xcoms``, ``…/mapped-xcoms`` and ``…/files``: what a running task reads of what others left."""

from __future__ import annotations

import json
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from leasehold_api.callers import TaskCaller
from leasehold_api.errors import ApiError
from leasehold_api.http.access import task_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.telemetry.xcoms import Wanted, XCom
from leasehold_protocol.v1.context import XCOM_SLICE, XComSlice, XComValue
from leasehold_protocol.v1.message import Identifier, Key, Name, Sha256
from leasehold_protocol.v1.problems import ProblemCode

router = APIRouter(prefix="/v1/task", tags=["tasks"])

Caller = Annotated[TaskCaller, Depends(task_caller)]
Task = Annotated[Name, Path()]
XComKey = Annotated[Key, Path()]
Run = Annotated[Identifier | None, Query()]
_FROM = re.compile(r"bytes=(\d{1,18})-")


@router.get("/xcoms/{task}/{key:path}/content")
async def get_xcom_content(
    request: Request,
    caller: Caller,
    task: Task,
    key: XComKey,
    map_index: int = -1,
    run: Run = None,
    include_prior: bool = False,
    range: Annotated[str | None, Header()] = None,  # noqa: A002 - the header's name
) -> Response:
    """Return a value's JSON text, however long; from a byte on, with ``Range: bytes=N-``."""
    wanted = Wanted(task=task, key=key, run=run)
    xcom = await house(request).xcoms.one(caller, wanted, map_index=map_index, include_prior=include_prior)
    if xcom.upload is None:
        return Response(xcom.value, media_type="application/json")
    return await _blob(request, caller, xcom.upload, range, media_type="application/json")


@router.get("/xcoms/{task}/{key:path}", response_model=XComValue)
async def get_xcom(
    request: Request,
    caller: Caller,
    task: Task,
    key: XComKey,
    map_index: int = -1,
    run: Run = None,
    include_prior: bool = False,
) -> Response:
    """Return a value; a large one is named only, and read at ``…/content``."""
    wanted = Wanted(task=task, key=key, run=run)
    found = await house(request).xcoms.one(caller, wanted, map_index=map_index, include_prior=include_prior)
    return answer(_value(found))


@router.get("/mapped-xcoms/{task}/{key:path}", response_model=XComSlice)
async def get_mapped_xcoms(
    request: Request,
    caller: Caller,
    task: Task,
    key: XComKey,
    run: Run = None,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=0, le=XCOM_SLICE)] = XCOM_SLICE,
) -> Response:
    """Return some values of a mapped task, in the order of the map index, and how many there are."""
    wanted = Wanted(task=task, key=key, run=run)
    found = await house(request).xcoms.slice(caller, wanted, offset=offset, limit=limit)
    return answer(XComSlice(items=[_value(xcom) for xcom in found.items], count=found.count))


@router.get("/files/{sha256}")
async def get_file(
    request: Request,
    caller: Caller,
    sha256: Annotated[Sha256, Path()],
    range: Annotated[str | None, Header()] = None,  # noqa: A002 - the header's name
) -> Response:
    """Return a file that a value names which this task may read; from a byte on, with ``Range: bytes=N-``."""
    await house(request).xcoms.may_read_file(caller, sha256)
    return await _blob(request, caller, sha256, range, media_type="application/octet-stream")


async def _blob(request: Request, caller: TaskCaller, sha256: str, wish: str | None, *, media_type: str) -> Response:
    blobs = house(request).blobs_of(caller.team_id)
    size = await blobs.size(sha256)
    found = _FROM.fullmatch(wish or "")
    start = int(found[1]) if found else 0
    if found and start >= size:
        raise ApiError(f"it has {size} bytes: begin before", code=ProblemCode.OFFSET_MISMATCH, offset=size)
    headers = {"Content-Length": str(size - start), "Accept-Ranges": "bytes"}
    if found:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    content = blobs.open(sha256, offset=start)
    return StreamingResponse(content, status_code=206 if found else 200, headers=headers, media_type=media_type)


def _value(xcom: XCom) -> XComValue:
    return XComValue(
        run=xcom.run,
        task=xcom.task,
        map_index=xcom.map_index,
        key=xcom.key,
        size=xcom.size,
        value=None if xcom.value is None else json.loads(xcom.value),
        inline=xcom.value is not None,
        sha256=xcom.upload,
    )
