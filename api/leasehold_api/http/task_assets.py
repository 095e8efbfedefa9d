"""``/v1/task/asset…``: what a running task asks of its inlets and outlets, and what it keeps with them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from leasehold_api import clock
from leasehold_api.assets.asking import EventsAsked, Named
from leasehold_api.callers import TaskCaller
from leasehold_api.errors import InvalidRequestError
from leasehold_api.http.access import task_caller
from leasehold_api.http.answers import answer
from leasehold_api.http.house import house
from leasehold_protocol.v1.assets import MOST_ASSET_EVENTS, Asset, AssetEvents, AssetFound, AssetStateWrite
from leasehold_protocol.v1.message import Key
from leasehold_protocol.v1.tasks import StateKeys, StateValue

router = APIRouter(prefix="/v1/task", tags=["tasks"])

Caller = Annotated[TaskCaller, Depends(task_caller)]
AssetName = Annotated[Key | None, Query(description="An inlet or outlet by its name")]
AssetUri = Annotated[str | None, Query(max_length=1500, description="An inlet or outlet by its URI")]
Alias = Annotated[Key, Query(description="An alias that the task declared")]
StateKey = Annotated[Key, Path()]


def _named(name: AssetName = None, uri: AssetUri = None) -> Named:
    if (name is None) == (uri is None):
        raise InvalidRequestError("say which asset: by name or by uri, one of the two")
    return Named(name=name, uri=uri)


OneAsset = Annotated[Named, Depends(_named)]


@router.get("/asset", response_model=Asset)
async def get_asset(request: Request, caller: Caller, asset: OneAsset) -> Response:
    """Return an inlet or outlet of the task."""
    return answer(await house(request).asset_facts.get(caller, asset))


@router.get("/assets", response_model=AssetFound)
async def assets_of_alias(request: Request, caller: Caller, alias: Alias) -> Response:
    """Return the assets that an alias has stood for."""
    return answer(AssetFound(assets=await house(request).asset_facts.by_alias(caller, alias)))


@router.get("/asset-events", response_model=AssetEvents)
async def asset_events(
    request: Request,
    caller: Caller,
    name: AssetName = None,
    uri: AssetUri = None,
    alias: Annotated[Key | None, Query(description="Events in which this alias stood for an asset")] = None,
    after: Annotated[AwareDatetime | None, Query(description="Not before this moment")] = None,
    before: Annotated[AwareDatetime | None, Query(description="Not after this moment")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ASSET_EVENTS)] = MOST_ASSET_EVENTS,
    *,
    ascending: bool = True,
) -> Response:
    """Return events of an inlet or outlet, or of an alias, by time."""
    if alias is not None and (name is not None or uri is not None):
        raise InvalidRequestError("say which asset, or which alias: not both")
    asked = EventsAsked(
        asset=None if alias is not None else _named(name, uri),
        alias=alias,
        after=after.timestamp() if after else None,
        before=before.timestamp() if before else None,
        ascending=ascending,
        limit=limit,
    )
    return answer(await house(request).asset_facts.events(caller, asked))


@router.get("/asset-state", response_model=StateKeys)
async def list_asset_state(
    request: Request, caller: Caller, asset: OneAsset, prefix: Annotated[str, Query(max_length=250)] = ""
) -> Response:
    """List the keys that are kept with an inlet or outlet."""
    return answer(StateKeys(keys=await house(request).asset_state.keys(caller, asset, prefix)))


@router.get("/asset-state/{key:path}", response_model=StateValue)
async def read_asset_state(request: Request, caller: Caller, asset: OneAsset, key: StateKey) -> Response:
    """Return a value that is kept with an inlet or outlet."""
    return answer(StateValue(key=key, value=await house(request).asset_state.get(caller, asset, key)))


@router.put("/asset-state/{key:path}", status_code=204)
async def write_asset_state(
    request: Request, caller: Caller, asset: OneAsset, key: StateKey, body: AssetStateWrite
) -> Response:
    """Keep a value with an outlet, for later runs."""
    await house(request).asset_state.put(caller, asset, key, body.value, now=clock.now())
    return Response(status_code=204)


@router.delete("/asset-state/{key:path}", status_code=204)
async def remove_asset_state(request: Request, caller: Caller, asset: OneAsset, key: StateKey) -> Response:
    """Let go of a key of an outlet; it need not be there."""
    await house(request).asset_state.remove(caller, asset, key)
    return Response(status_code=204)


@router.delete("/asset-state", status_code=204)
async def clear_asset_state(request: Request, caller: Caller, asset: OneAsset) -> Response:
    """Let go of all that is kept with an outlet."""
    await house(request).asset_state.remove(caller, asset, None)
    return Response(status_code=204)
