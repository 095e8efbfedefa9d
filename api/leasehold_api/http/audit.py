"""``/v1/audit`` and ``/v1/teams/{team}/audit``: the audit trail in pages, or whole as NDJSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic.types import AwareDatetime

from leasehold_api.audit.trail import Trail, Wanted
from leasehold_api.callers import PersonCaller, TeamCaller
from leasehold_api.http.access import in_team, platform_admin
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_protocol.v1.audit import NDJSON_MEDIA_TYPE, AuditList
from leasehold_protocol.v1.fleet import Role

router = APIRouter(prefix="/v1", tags=["audit"])

PlatformAdmin = Annotated[PersonCaller, Depends(platform_admin)]
Admin = Annotated[TeamCaller, Depends(in_team(Role.ADMIN))]

_EXPORT_PAGE = 500
_NO_STORE = {"Cache-Control": "no-store"}
_LARGEST_SEQ = 2**63 - 1


def _filters(
    since: Annotated[AwareDatetime | None, Query(description="Rows of this moment and later.")] = None,
    action: Annotated[str | None, Query(max_length=100)] = None,
    actor: Annotated[str | None, Query(max_length=300)] = None,
) -> Wanted:
    return Wanted(since=_seconds(since), action=action, actor=actor)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


class _Part:
    """Which part of the rows, and in which form."""

    def __init__(
        self,
        after: Annotated[int, Query(ge=0, le=_LARGEST_SEQ, description="`next` of the page before")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 500,
        accept: Annotated[str, Header()] = "application/json",
    ) -> None:
        self.after = after
        self.limit = limit
        self.is_export = NDJSON_MEDIA_TYPE in accept.lower()


Filters = Annotated[Wanted, Depends(_filters)]
Part = Annotated[_Part, Depends()]
_NDJSON: dict[int | str, dict[str, Any]] = {200: {"content": {NDJSON_MEDIA_TYPE: {"schema": {"type": "string"}}}}}


@router.get("/audit", response_model=AuditList, responses=_NDJSON)
async def read_audit(request: Request, caller: PlatformAdmin, filters: Filters, part: Part) -> Response:  # noqa: ARG001
    """Return every team's rows and the platform's; with ``Accept: application/x-ndjson`` all of them, one a line."""
    return await _answer(house(request).trail, filters, part)


@router.get("/teams/{team}/audit", response_model=AuditList, responses=_NDJSON)
async def read_team_audit(request: Request, caller: Admin, filters: Filters, part: Part) -> Response:
    """Return the team's rows; with ``Accept: application/x-ndjson`` all of them, one a line."""
    wanted = Wanted(team_id=caller.team_id, since=filters.since, action=filters.action, actor=filters.actor)
    return await _answer(house(request).trail, wanted, part)


async def _answer(trail: Trail, wanted: Wanted, part: _Part) -> Response:
    if part.is_export:
        until = await trail.head()
        lines = _lines(trail, wanted, after=part.after, until=until)
        return StreamingResponse(lines, media_type=NDJSON_MEDIA_TYPE, headers=_NO_STORE)
    rows = await trail.rows(wanted, after=part.after, limit=part.limit)
    more = str(rows[-1].seq) if len(rows) == part.limit else None
    return answer(AuditList(items=rows, next=more), headers=_NO_STORE)


async def _lines(trail: Trail, wanted: Wanted, *, after: int, until: int) -> AsyncIterator[str]:
    """Return rows as lines, up to what was there at the beginning: exporting must not run after its own traces."""
    while rows := await trail.rows(wanted, after=after, limit=_EXPORT_PAGE):
        yield "".join(f"{row.model_dump_json()}\n" for row in rows if row.seq <= until)
        after = rows[-1].seq
        if after >= until:
            return
