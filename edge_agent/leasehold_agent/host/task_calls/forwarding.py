"""Calls that wait: those that only the API can answer go through the agent, for as long as the task is willing."""

from __future__ import annotations

import asyncio
import json

from leasehold.runtime.rules.asking import READ_WAIT_S, api_out_of_reach, wait_s
from leasehold_agent.host.checks import Object
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request
from leasehold_agent.host.task_calls.notes import Notes

DISK_WAIT_S = 45.0
"""How long a write waits for a full disk: less than its client's own patience, so that it hears why."""


async def forward(notes: Notes, request: Request, path: str, body: object = None) -> Answer:
    """Return the API's answer.

    Raises:
        RefusedRequestError: 503, if none came in time.
    """
    return answered(await asked(notes, request, path, body))


async def asked(notes: Notes, request: Request, path: str, body: object = None) -> Object:
    """Return what the agent says that the API answered.

    Raises:
        RefusedRequestError: 503, if no answer came in time.
    """
    limit_s = wait_s(request.headers.get("leasehold-wait"), READ_WAIT_S)
    try:
        return await asyncio.wait_for(notes.ask(request.method, path, body), limit_s)
    except TimeoutError:
        raise api_out_of_reach(limit_s) from None


def answered(found: Object) -> Answer:
    """Return what the API answered, as the task gets it.

    Raises:
        RefusedRequestError: 500, if that is nothing that can be.
    """
    status, body = found.get("status"), found.get("body")
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise RefusedRequestError(500, "internal", "the agent answered without a status")
    if status == 204:
        return Answer()
    media_type = "application/json" if status < 400 else "application/problem+json"
    return Answer(status=status, body=json.dumps(body, ensure_ascii=False).encode(), media_type=media_type)
