"""Calls that only the API can answer: through the agent, for as long as the task is willing to wait."""

from __future__ import annotations

import asyncio
import json
import math

from leasehold_agent.host import checks
from leasehold_agent.host.checks import Object
from leasehold_agent.host.http_wire import Answer, RefusedRequestError, Request
from leasehold_agent.host.task_calls.notes import Notes

READ_WAIT_S = 60.0
"""How long a read waits for the API when the task does not say (``Leasehold-Wait``)."""


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
        raise too_late(limit_s) from None


def too_late(limit_s: float) -> RefusedRequestError:
    """Return the refusal of what the API could not be asked in time."""
    cure = "try again later, or wait longer with the header Leasehold-Wait: <seconds>"
    detail = f"the API could not be asked within {limit_s:g} s (an outage, or the agent restarts): {cure}"
    return RefusedRequestError(503, "unavailable", detail)


def wait_s(header: str | None, default: float) -> float:
    """Return how long a read may wait for the API (header ``Leasehold-Wait``, seconds).

    Raises:
        RefusedRequestError: 422, if it is no such number.
    """
    if header is None:
        return default
    try:
        seconds = float(header)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= checks.MOST_SECONDS:
        raise checks.invalid(f"Leasehold-Wait must be seconds, not {checks.shown(header)}")
    return seconds


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
