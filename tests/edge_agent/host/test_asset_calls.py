"""What a task says of its outlets goes with a success, masked and bounded; what it did not declare is refused here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leasehold.runtime.rules.assets import AssetNamed, OutletEvents
from leasehold.runtime.rules.refusals import RefusedRequestError
from leasehold_agent.attempts.task_questions import api_path, methods_of
from leasehold_protocol.v1.leases import Ending

OUTLETS = [AssetNamed(name="plant/report", uri="s3://report")]


def _take(events: OutletEvents, **body: Any) -> None:
    events.take(json.dumps(body).encode(), task="collect", outlets=OUTLETS, aliases=["backups"])


def test_the_last_word_counts_and_fits_the_protocol() -> None:
    events = OutletEvents()

    _take(events, name="plant/report", extra={"rows": 1})
    _take(events, uri="s3://report", extra={"rows": 2})
    _take(events, alias="backups", asset={"name": "monday"}, extra={"n": 1})
    _take(events, alias="backups", asset={"uri": "s3://tuesday"})

    ending = Ending.model_validate(
        {"kind": "success", "ended_at": "2026-11-22T06:00:00Z", "asset_events": events.said()}
    )
    said = [(each.name, each.alias, each.extra, each.asset and each.asset.uri) for each in ending.asset_events]
    assert said == [
        ("plant/report", None, {"rows": 2}, None),
        ("monday", "backups", {"n": 1}, "monday"),
        ("s3://tuesday", "backups", {}, "s3://tuesday"),
    ]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"name": "elsewhere"}, 403, "those are plant/report, alias backups"),
        ({"alias": "other", "asset": {"name": "a"}}, 403, "alias 'other' is no outlet"),
        ({}, 422, "say whose event it is"),
        ({"name": "plant/report", "uri": "s3://report"}, 422, "say whose event it is"),
        ({"alias": "backups"}, 422, "asset must be a JSON object"),
        ({"alias": "backups", "asset": {"name": "no spaces"}}, 422, "can't name an asset"),
        ({"name": "plant/report", "extra": [1]}, 422, "extra must be a JSON object"),
        ({"name": "plant/report", "rows": 1}, 422, "has no 'rows'"),
        ({"name": "plant/report", "extra": {"text": "x" * 16384}}, 422, "16 KiB are the most"),
    ],
)
def test_what_can_be_no_event_is_refused(body: dict[str, Any], status: int, says: str) -> None:
    events = OutletEvents()

    with pytest.raises(RefusedRequestError) as refused:
        _take(events, **body)

    assert (refused.value.status, events.said()) == (status, [])
    assert says in refused.value.detail


def test_there_are_bounds_to_what_all_events_say() -> None:
    many, large = OutletEvents(), OutletEvents()
    for number in range(100):
        _take(many, alias="backups", asset={"name": f"n{number}"})
    for number in range(16):
        _take(large, alias="backups", asset={"name": f"n{number}"}, extra={"text": "x" * 16000})

    with pytest.raises(RefusedRequestError, match="100 events at most"):
        _take(many, alias="backups", asset={"name": "one more"[:3]})
    with pytest.raises(RefusedRequestError, match="256 KiB at most"):
        _take(large, name="plant/report", extra={"text": "x" * 16000})
    _take(many, alias="backups", asset={"name": "n99"}, extra={"again": 1})


@pytest.mark.parametrize(
    ("path", "route", "methods"),
    [
        ("/v1/asset?name=a%2Fb", "/v1/task/asset?name=a%2Fb", ("GET",)),
        ("/v1/asset-events?alias=b", "/v1/task/asset-events?alias=b", ("GET",)),
        ("/v1/asset-state/k?name=a", "/v1/task/asset-state/k?name=a", ("GET", "PUT", "DELETE")),
        ("/v1/asset-state?name=a", "/v1/task/asset-state?name=a", ("GET", "DELETE")),
        ("/v1/asset-state/..%2Fruns?name=a", None, ("GET", "PUT", "DELETE")),
        ("/v1/outlet-events", None, ()),
    ],
)
def test_what_goes_to_the_api(path: str, route: str | None, methods: tuple[str, ...]) -> None:
    assert (api_path(path), methods_of(path)) == (route, methods)
