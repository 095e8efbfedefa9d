"""What an API says, ready made: sites, runs, log lines, problems."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx

from leasehold_protocol.v1.message import Json, Message
from leasehold_protocol.v1.problems import Problem, ProblemCode
from leasehold_protocol.v1.runs import AttemptSummary, RunDetail, RunState, TaskInstance, TaskState

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def said(message: Message, status: int = 200, **headers: str) -> httpx.Response:
    """An answer with a message in it."""
    return httpx.Response(status, content=message.model_dump_json(by_alias=True), headers=headers)


def refused(status: int, code: ProblemCode, detail: str) -> httpx.Response:
    """A problem document."""
    problem = Problem(title=code.value, status=status, code=code, detail=detail)
    return httpx.Response(
        status, content=problem.model_dump_json(), headers={"content-type": "application/problem+json"}
    )


def log_part(text: str, *, offset: int, complete: bool) -> httpx.Response:
    """A part of a log that begins at ``offset``."""
    data = text.encode()
    headers = {"Upload-Offset": str(offset + len(data)), "Log-Complete": "true" if complete else "false"}
    return httpx.Response(200, content=data, headers=headers)


def a_task(
    name: str,
    state: TaskState,
    *,
    attempts: int = 0,
    site: str = "plant",
    result: Json = None,
    reason: str | None = None,
) -> TaskInstance:
    """One task of a run, with as many attempts as it had."""
    return TaskInstance(
        task_instance=f"ti-{name}",
        task=name,
        state=state,
        try_number=attempts,
        epoch=attempts,
        site=site if attempts else None,
        reason=reason,
        started_at=NOON if attempts else None,
        ended_at=NOON + timedelta(seconds=2) if state.is_final and attempts else None,
        attempts=[an_attempt(name, number, site) for number in range(1, attempts + 1)],
        result=result,
    )


def an_attempt(task: str, number: int, site: str) -> AttemptSummary:
    """One try."""
    return AttemptSummary(
        attempt=f"ti-{task}.{number}",
        epoch=number,
        try_number=number,
        agent="plant-1",
        site=site,
        leased_at=NOON + timedelta(seconds=number),
    )


def a_run(state: RunState, *tasks: TaskInstance) -> RunDetail:
    """A run of ``sensor_report``."""
    return RunDetail(
        run="run-1",
        dag="sensor_report",
        version=3,
        team="default",
        state=state,
        trigger="manual",
        created_by="operator-1",
        logical_date=NOON,
        created_at=NOON,
        started_at=NOON,
        ended_at=NOON + timedelta(seconds=4) if state.is_final else None,
        tasks=list(tasks),
    )
