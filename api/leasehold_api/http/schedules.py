"""``/v1/teams/{team}``: pausing DAGs, and backfills."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from leasehold_api.acting import Slice
from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import done_by
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Instant, Name
from leasehold_protocol.v1.schedules import (
    Backfill,
    BackfillList,
    BackfillPlan,
    BackfillRequest,
    PauseDag,
    Reprocess,
    ScheduleStanding,
)

router = APIRouter(prefix="/v1/teams/{team}", tags=["schedules"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Author = Annotated[TeamCaller, Depends(in_team(Role.AUTHOR))]


@router.post("/dags/{dag}/pause", response_model=ScheduleStanding)
async def pause(request: Request, caller: Author, dag: Annotated[Name, Path()], body: PauseDag) -> Response:
    """Begin no more runs of a DAG by its schedule. What goes on does so, and runs can be triggered."""
    return answer(await house(request).schedules.pause(caller.team_id, dag, note=body.note, by=done_by(caller)))


@router.post("/dags/{dag}/unpause", response_model=ScheduleStanding)
async def unpause(request: Request, caller: Author, dag: Annotated[Name, Path()]) -> Response:
    """Let the schedule begin runs again; of the times meanwhile the latest has one, or with catch-up each."""
    return answer(await house(request).schedules.unpause(caller.team_id, dag, by=done_by(caller)))


@router.get("/dags/{dag}/backfill-plan", response_model=BackfillPlan)
async def plan_backfill(
    request: Request,
    caller: Viewer,
    dag: Annotated[Name, Path()],
    from_: Annotated[Instant, Query(alias="from")],
    to: Instant,
    reprocess: Reprocess = Reprocess.NONE,
) -> Response:
    """Say which dates a backfill would run; nothing is begun."""
    wanted = BackfillRequest.model_validate({"from": from_, "to": to, "reprocess": reprocess})
    return answer(await house(request).backfills.plan(caller.team_id, dag, wanted))


@router.post("/dags/{dag}/backfills", response_model=Backfill, status_code=201)
async def begin_backfill(
    request: Request, caller: Author, dag: Annotated[Name, Path()], body: BackfillRequest
) -> Response:
    """Run a DAG for dates in the past, a few at a time."""
    return answer(
        await house(request).backfills.begin(caller.team_id, dag, body, by=done_by(caller)),
        status=201,
    )


@router.get("/backfills", response_model=BackfillList)
async def list_backfills(
    request: Request,
    caller: Viewer,
    after: Annotated[str | None, Query(description="`next` of the part before")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """List backfills, newest first."""
    items = await house(request).backfills.list(caller.team_id, Slice(after=after, limit=limit))
    return answer(BackfillList(items=items, next=items[-1].backfill if len(items) == limit else None))


@router.get("/backfills/{backfill}", response_model=Backfill)
async def get_backfill(request: Request, caller: Viewer, backfill: str) -> Response:
    """Return a backfill, and how far it is."""
    return answer(await house(request).backfills.get(caller.team_id, backfill))


@router.post("/backfills/{backfill}/cancel", response_model=Backfill)
async def cancel_backfill(request: Request, caller: Author, backfill: str) -> Response:
    """Begin no more runs of a backfill, and cancel those that go on."""
    return answer(await house(request).backfills.cancel(caller.team_id, backfill, by=done_by(caller)))
