"""``/healthz/way``: an answer by which ``leasehold-api doctor`` finds out what lies on the way from the public address.

Its first line comes at once and its last after a pause: a proxy shows that holds answers back, or cuts those that wait.
Only who has this service's key-encryption keys may ask, so that it can't be used to keep connections busy; and a
question that is taken proves that the address leads to this service, and to no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from leasehold_api import clock
from leasehold_api.errors import ForbiddenError
from leasehold_api.http.house import house

PATH = "/healthz/way"
HEADER = "Leasehold-Probe"
PURPOSE = "doctor's probe v1"

router = APIRouter(tags=["health"])


class WayLine(BaseModel):
    """One line of the answer."""

    kind: str
    """``opened``, then ``end``."""
    client: str | None = None
    """The address that this service takes the caller to have."""
    wait_s: float | None = None
    """How long an agent's request waits here."""


@router.get(PATH, response_model=WayLine, responses={200: {"description": "Two lines of JSON"}})
async def way(
    request: Request,
    quiet_s: Annotated[float, Query(ge=0, le=60)] = 0,
    probe: Annotated[str, Header(alias=HEADER)] = "",
) -> Response:
    """Answer the doctor: one line at once, and one after ``quiet_s`` seconds."""
    services = house(request)
    if services.probes.age_s(probe, now=clock.now()) is None:
        raise ForbiddenError("only this service's own `leasehold-api doctor` may ask")
    wait_s = services.settings.poll_wait_s
    first = WayLine(kind="opened", client=request.client.host if request.client else None, wait_s=wait_s)
    lines = _lines(first, min(quiet_s, wait_s))
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


async def _lines(first: WayLine, quiet_s: float) -> AsyncGenerator[str]:
    yield first.model_dump_json(exclude_none=True) + "\n"
    await asyncio.sleep(quiet_s)
    yield WayLine(kind="end").model_dump_json(exclude_none=True) + "\n"
