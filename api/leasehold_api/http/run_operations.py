"""``/v1/teams/{team}/runs/{run}``: what people do to runs after they began."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from leasehold_api import clock
from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import done_by, team_of
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Name
from leasehold_protocol.v1.operations import CancelTaskRequest, MarkRequest, PriorityRequest, RetryRequest, RunChanged
from leasehold_protocol.v1.runs import TaskState
from leasehold_protocol.v1.why import Why, WhyRun

router = APIRouter(prefix="/v1/teams/{team}/runs/{run}", tags=["runs"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]
Author = Annotated[TeamCaller, Depends(in_team(Role.AUTHOR))]


@router.post("/retry", response_model=RunChanged)
async def retry(request: Request, caller: Author, run: str, body: RetryRequest) -> Response:
    """Let task instances that ended run again; by default those that failed, and what depends on them."""
    return answer(await house(request).run_operations.retry(team_of(caller), run, body, by=done_by(caller)))


@router.post("/tasks/{task}/mark", response_model=RunChanged)
async def mark(
    request: Request, caller: Author, run: str, task: Annotated[Name, Path()], body: MarkRequest
) -> Response:
    """End a task as success, failed or skipped by one's own word."""
    says = _with_reason(f"marked {body.state} by {caller.person.name}", body.reason)
    store = house(request).run_operations
    return answer(await store.mark(team_of(caller), run, task, body, says=says, by=done_by(caller)))


@router.post("/tasks/{task}/cancel", response_model=RunChanged)
async def cancel_task(
    request: Request, caller: Author, run: str, task: Annotated[Name, Path()], body: CancelTaskRequest
) -> Response:
    """Cancel one task; the run goes on without it."""
    says = _with_reason(f"cancelled by {caller.person.name}", body.reason)
    store = house(request).run_operations
    return answer(await store.cancel_task(team_of(caller), run, task, body, says=says, by=done_by(caller)))


@router.post("/priority", response_model=RunChanged)
async def set_priority(request: Request, caller: Author, run: str, body: PriorityRequest) -> Response:
    """Reorder in the queue what has not ended."""
    return answer(await house(request).run_operations.set_priority(team_of(caller), run, body, by=done_by(caller)))


@router.get("/why", response_model=WhyRun)
async def why_run(request: Request, caller: Viewer, run: str) -> Response:
    """Say of everything in the run that waits what it waits for; ``run`` may be one task instance's id."""
    return answer(await house(request).why.of_run(team_of(caller), run, now=clock.now()))


@router.get("/tasks/{task}/why", response_model=Why)
async def why_task(
    request: Request,
    caller: Viewer,
    run: str,
    task: Annotated[Name, Path()],
    map_index: Annotated[int | None, Query(ge=-1, le=2**31 - 1)] = None,
) -> Response:
    """Say why a task does not run. Of a mapped task's instances the first that waits answers, unless one is named."""
    answers = await house(request).why.of_task(team_of(caller), run, task, map_index, now=clock.now())
    waiting = [each for each in answers if not each.state.is_final and each.state is not TaskState.RUNNING]
    return answer((waiting or answers)[0])


def _with_reason(what: str, reason: str | None) -> str:
    return f"{what}: {reason}" if reason else what
