"""``/v1/teams/{team}/assets``: which assets there are, and what happened to them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from leasehold_api.acting import Slice
from leasehold_api.callers import TeamCaller
from leasehold_api.http.access import in_team
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_api.http.slices import Part
from leasehold_protocol.v1.assets import AssetDetail, AssetEventList, AssetList
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.message import Key

router = APIRouter(prefix="/v1/teams/{team}", tags=["assets"])

Viewer = Annotated[TeamCaller, Depends(in_team(Role.VIEWER))]


@router.get("/assets", response_model=AssetList)
async def list_assets(request: Request, caller: Viewer, part: Part) -> Response:
    """List the team's assets."""
    items = await house(request).assets.list(caller.team_id, part)
    return answer(AssetList(items=items, next=_next(part, [item.name for item in items])))


@router.get("/assets/{asset:path}", response_model=AssetDetail)
async def get_asset(request: Request, caller: Viewer, asset: Annotated[Key, Path()]) -> Response:
    """Return an asset."""
    return answer(await house(request).assets.get(caller.team_id, asset))


@router.get("/asset-events", response_model=AssetEventList)
async def list_asset_events(
    request: Request,
    caller: Viewer,
    part: Part,
    asset: Annotated[Key | None, Query(description="Only of this asset")] = None,
) -> Response:
    """List asset events, newest first."""
    items = await house(request).assets.events(caller.team_id, asset, part)
    return answer(AssetEventList(items=items, next=_next(part, [item.event for item in items])))


def _next(part: Slice, keys: list[str]) -> str | None:
    return keys[-1] if keys and len(keys) >= part.limit else None
