"""``/v1/teams/{team}``: runs, and the logs of their attempts."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from leasehold_api import clock
from leasehold_api.callers import TeamCaller
from leasehold_api.dags.schema import with_defaults
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import done_by
from leasehold_api.runs.catalog import NewRun
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Name
from leasehold_protocol.v1.runs import (
    CancelRequest,
    MetricList,
    RunDetail,
    RunList,
    RunState,
    TaskInstance,
    TriggerRun,
    XComList,
)
from leasehold_protocol.v1.telemetry import LOG_CHUNK_BYTES

router = APIRouter(prefix="/v1/teams/{team}", tags=["runs"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Author = Annotated[TeamCaller, Depends(in_team(Role.AUTHOR))]
Wait = Annotated[float, Query(ge=0, le=50)]


@router.post("/dags/{dag}/runs", response_model=RunDetail, status_code=201)
async def trigger(request: Request, caller: Author, dag: Annotated[Name, Path()], body: TriggerRun) -> Response:
    """Make a run of the DAG's newest version."""
    services, now = house(request), clock.now()
    detail = await services.dags.get(caller.team_id, dag)
    new = NewRun(
        id=clock.new_id("run"),
        team_id=caller.team_id,
        dag=dag,
        params=with_defaults(detail.manifest.params_schema, body.params),
        logical_date=body.logical_date.timestamp() if body.logical_date else now,
        trigger="manual",
        created_by=caller.actor,
        address=caller.person.address,
        idempotency_key=body.idempotency_key,
    )
    run = await services.runs.create(new, most_queued=services.settings.most_queued, now=now)
    return answer(await services.runs.get(caller.team_id, run), status=201)


@router.get("/runs", response_model=RunList)
async def list_runs(
    request: Request,
    caller: Viewer,
    dag: Name | None = None,
    state: RunState | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """List runs, newest first."""
    items = await house(request).runs.recent(caller.team_id, dag=dag, state=state, after=after, limit=limit)
    return answer(RunList(items=items, next=items[-1].run if len(items) == limit else None))


@router.get("/runs/{run}", response_model=RunDetail, responses={304: {"description": "Nothing changed in time"}})
async def get_run(
    request: Request, caller: Viewer, run: str, wait_s: Wait = 0, if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """Return a run; with ``If-None-Match``, wait until it looks different from that picture."""
    services = house(request)
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + wait_s
    with services.run_watch.expect(run) as change:
        while True:
            content = (await services.runs.get(caller.team_id, run)).model_dump_json(by_alias=True)
            etag = f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'
            if etag != if_none_match:
                return Response(content, media_type="application/json", headers={"ETag": etag})
            left = ends_at - loop.time()
            if left <= 0 or not await change.wait(left):
                return Response(status_code=304, headers={"ETag": etag})


@router.get("/runs/{run}/tasks/{task}", response_model=TaskInstance)
async def get_task_instance(
    request: Request,
    caller: Viewer,
    run: str,
    task: Annotated[Name, Path()],
    map_index: Annotated[int, Query(ge=-1, le=2**31 - 1)] = -1,
) -> Response:
    """Return one task instance, with what its templates and arguments came to in each attempt."""
    return answer(await house(request).runs.task_instance(caller.team_id, run, task, map_index))


@router.post("/runs/{run}/cancel", response_model=RunDetail)
async def cancel_run(request: Request, caller: Author, run: str, body: CancelRequest) -> Response:
    """Cancel what has not begun and stop what has."""
    services = house(request)
    reason = f"cancelled by {caller.person.name}" + (f": {body.reason}" if body.reason else "")
    await services.runs.cancel(caller.team_id, run, reason=reason, by=done_by(caller))
    return answer(await services.runs.get(caller.team_id, run))


@router.get("/runs/{run}/metrics", response_model=MetricList)
async def run_metrics(request: Request, caller: Viewer, run: str) -> Response:
    """Return what the run's tasks measured."""
    return answer(await house(request).runs.metrics(caller.team_id, run))


@router.get("/runs/{run}/xcoms", response_model=XComList)
async def run_xcoms(request: Request, caller: Viewer, run: str) -> Response:
    """Return what the run's tasks passed on."""
    return answer(await house(request).runs.xcoms(caller.team_id, run))


@router.get("/attempts/{attempt}/log", response_class=Response)
async def read_log(
    request: Request, caller: Viewer, attempt: str, offset: Annotated[int, Query(ge=0)] = 0, wait_s: Wait = 0
) -> Response:
    """Return the log from an offset; when there is nothing yet, wait for more. ``Log-Complete`` says when to stop.

    ``Log-Deleted-At`` says that retention deleted it: there is nothing to wait for.
    """
    services = house(request)
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + wait_s
    with services.log_watch.expect(attempt) as change:
        while True:
            state = await services.attempts.log_state(caller.team_id, attempt)
            if state.deleted_at is not None:
                gone = {"Log-Deleted-At": clock.instant(state.deleted_at).isoformat()}
                headers = {"Upload-Offset": str(offset), "Log-Complete": "true"} | gone
                return Response(b"", media_type="application/octet-stream", headers=headers)
            data = await services.logs.read(attempt, offset, LOG_CHUNK_BYTES)
            reached = offset + len(data)
            complete = state.complete and reached >= (state.size or 0)
            left = ends_at - loop.time()
            if data or complete or left <= 0 or not await change.wait(left):
                headers = {"Upload-Offset": str(reached), "Log-Complete": "true" if complete else "false"}
                return Response(data, media_type="application/octet-stream", headers=headers)
