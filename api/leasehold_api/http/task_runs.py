"""``/v1/task/runs``, ``/v1/task/task-instances``, ``/v1/task/dags``: what a task may know, and starts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from leasehold_api import clock
from leasehold_api.callers import TaskCaller
from leasehold_api.dags.schema import with_defaults
from leasehold_api.errors import InvalidRequestError
from leasehold_api.http.access import task_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.runs.catalog import NewRun
from leasehold_api.runs.facts import PreviousAsked, RunsAsked, TasksAsked, key_of
from leasehold_protocol.v1.message import Name
from leasehold_protocol.v1.problems import FieldError
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.task_runs import (
    Count,
    DagFacts,
    PreviousRun,
    PreviousTaskInstance,
    TaskInstanceList,
    TaskRun,
    TaskTrigger,
    TriggeredRun,
)

router = APIRouter(prefix="/v1/task", tags=["tasks"])

Caller = Annotated[TaskCaller, Depends(task_caller)]
Several = Annotated[str | None, Query(max_length=20_000, description="One, or several with commas in between")]
MapIndex = Annotated[int | None, Query(ge=-1, le=2**31 - 1)]
T = TypeVar("T")

_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,200}")
_INSTANT = TypeAdapter[AwareDatetime](AwareDatetime)


@router.post("/runs", response_model=TriggeredRun)
async def trigger_run(request: Request, caller: Caller, body: TaskTrigger) -> Response:
    """Start a run of a DAG that the task declared; the same key again gives the same run."""
    services, now = house(request), clock.now()
    params = body.params
    if f"dag:{body.dag}:trigger" in caller.scopes:  # else the refusal is recorded below
        detail = await services.dags.get(caller.team_id, body.dag)
        params = with_defaults(detail.manifest.params_schema, body.params)
    new = NewRun(
        id=clock.new_id("run"),
        team_id=caller.team_id,
        dag=body.dag,
        params=params,
        logical_date=body.logical_date.timestamp() if body.logical_date else now,
        trigger="task",
        created_by=f"task:{caller.attempt}",
        address=caller.address,
        idempotency_key=key_of(caller, body.key, body.params, body.logical_date),
    )
    made = await services.run_facts.trigger(caller, new, most_queued=services.settings.most_queued, now=now)
    return answer(made)


@router.get("/runs/previous", response_model=PreviousRun)
async def previous_run(
    request: Request,
    caller: Caller,
    dag: Name | None = None,
    before: AwareDatetime | None = None,
    state: Several = None,
) -> Response:
    """Return the newest run by logical date before this one, or before a moment."""
    states = [each.value for each in _each("state", state, RunState)]
    asked = PreviousAsked(dag=dag, before=before, states=states)
    return answer(PreviousRun(previous=await house(request).run_facts.previous_run(caller, asked)))


@router.get("/runs/count", response_model=Count)
async def count_runs(
    request: Request,
    caller: Caller,
    dag: Name | None = None,
    run: Several = None,
    state: Several = None,
    logical_date: Several = None,
) -> Response:
    """Count the runs of a DAG."""
    asked = RunsAsked(
        dag=dag,
        runs=_each("run", run, _word),
        states=_each("state", state, RunState),
        logical_dates=_each("logical_date", logical_date, _INSTANT.validate_python),
    )
    return answer(Count(count=await house(request).run_facts.count_runs(caller, asked)))


@router.get("/runs/{run}", response_model=TaskRun)
async def get_run(
    request: Request,
    caller: Caller,
    run: Annotated[str, Path(pattern=f"^{_WORD.pattern}$")],
    wait_s: Annotated[float, Query(ge=0, le=30)] = 0,
) -> Response:
    """Return a run; with ``wait_s``, wait so long for its end."""
    services = house(request)
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + wait_s
    with services.run_watch.expect(run) as change:
        while True:
            found = await services.run_facts.run(caller, run)
            left = ends_at - loop.time()
            if found.state.is_final or left <= 0 or not await change.wait(left):
                return answer(found)


def _tasks_asked(
    dag: Name | None = None,
    run: Several = None,
    logical_date: Several = None,
    task: Several = None,
    state: Several = None,
    map_index: MapIndex = None,
) -> TasksAsked:
    return TasksAsked(
        dag=dag,
        runs=_each("run", run, _word),
        logical_dates=_each("logical_date", logical_date, _INSTANT.validate_python),
        tasks=_each("task", task, _word),
        states=_each("state", state, TaskState),
        map_index=map_index,
    )


ChosenTasks = Annotated[TasksAsked, Depends(_tasks_asked)]


@router.get("/task-instances", response_model=TaskInstanceList)
async def list_task_instances(
    request: Request,
    caller: Caller,
    asked: ChosenTasks,
) -> Response:
    """Return task instances: of the task's own run, unless a DAG, runs or logical dates are named."""
    return answer(await house(request).run_facts.task_instances(caller, asked))


@router.get("/task-instances/count", response_model=Count)
async def count_task_instances(
    request: Request,
    caller: Caller,
    asked: ChosenTasks,
) -> Response:
    """Count task instances, chosen as in the list."""
    return answer(Count(count=await house(request).run_facts.count_task_instances(caller, asked)))


@router.get("/task-instances/previous", response_model=PreviousTaskInstance)
async def previous_task_instance(
    request: Request,
    caller: Caller,
    dag: Name | None = None,
    task: Name | None = None,
    map_index: MapIndex = -1,
    before: AwareDatetime | None = None,
    state: Several = None,
) -> Response:
    """Return the same task's instance, or another's, in the newest run before this one, or before a moment."""
    states = [each.value for each in _each("state", state, TaskState)]
    asked = PreviousAsked(dag=dag, before=before, states=states)
    index = -1 if map_index is None else map_index
    found = await house(request).run_facts.previous_task_instance(
        caller, asked, task=task or caller.task, map_index=index
    )
    return answer(PreviousTaskInstance(previous=found))


@router.get("/dags/{dag}", response_model=DagFacts)
async def get_dag(request: Request, caller: Caller, dag: Annotated[Name, Path()]) -> Response:
    """Return a DAG's newest version."""
    return answer(await house(request).run_facts.dag(caller, dag))


def _each(name: str, given: str | None, read: Callable[[str], T]) -> list[T]:
    """Return the parts of a list with commas in between."""
    found: list[T] = []
    for part in (each.strip() for each in (given or "").split(",")):
        try:
            if part:
                found.append(read(part))
        except (ValueError, ValidationError):
            message = f"{part[:80]!r} can't be a {name}{_choice(read)}"
            raise InvalidRequestError(message, errors=[FieldError(field=name, message=message)]) from None
    return found


def _choice(read: object) -> str:
    return f": use one of {', '.join(read)}" if read is RunState or read is TaskState else ""


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(text)
    return text
