"""Assets: what deploys declare, what running tasks may ask and keep, what people see. On both databases."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import insert, select

from leasehold_api import clock
from leasehold_api.storage import tables
from leasehold_api.storage.sql_assets import record_events
from leasehold_protocol.v1.assets import AssetEventSaid
from leasehold_protocol.v1.manifest import TaskEntry
from tests.support.api_server import Api, EnrolledAgent, on_both_stores

READINGS = {"name": "plant/readings", "uri": "s3://plant/readings"}
REPORT = {"name": "report", "uri": "s3://report"}
WORK = {"kind": "program", "argv": [{"kind": "literal", "value": "true"}]}
pytestmark = on_both_stores


def _manifest(dag: str, **entry: Any) -> dict[str, Any]:
    return {"manifest": {"dag": dag, "tasks": [{"id": "load", "work": WORK, **entry}]}}


async def _deploy(api: Api, dag: str, *, status: int = 201, **entry: Any) -> Any:
    answer = await api.as_person("POST", "/v1/teams/default/dags", json=_manifest(dag, **entry))
    assert answer.status_code == status, answer.text
    return answer.json()


async def _asset(api: Api, name: str) -> Any:
    answer = await api.as_person("GET", f"/v1/teams/default/assets/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _succeeds(api: Api, *, instance: str = "ti_9", said: tuple[AssetEventSaid, ...] = (), **entry: Any) -> None:
    """Record what the success of a task means for its outlets."""
    team = await api.read(
        lambda c: c.execute(select(tables.teams.c.id).where(tables.teams.c.name == "default")).scalar_one()
    )
    source = {"team_id": team, "dag": "plant", "run_id": "run_1", "task": "load", "map_index": 3, "try_number": 2}
    task = TaskEntry.model_validate({"id": "load", "work": WORK, **entry})

    def write(tx: Any) -> None:
        record_events(tx, task, said, source, attempt=f"{instance}.1", now=clock.now())

    await api.database.write(write)


async def test_an_asset_is_active_while_a_current_version_declares_it(api: Api) -> None:
    await _deploy(api, "plant", outlets=[READINGS | {"group": "plant", "extra": {"owner": "north"}}])
    declared = await _asset(api, "plant/readings")

    await _deploy(api, "plant")
    gone = await _asset(api, "plant/readings")

    assert (declared["active"], declared["group"], declared["extra"]) == (True, "plant", {"owner": "north"})
    assert declared["declared_by"] == ["plant"]
    assert (gone["active"], gone["declared_by"]) == (False, [])
    assert "deploy one whose task has it" in gone["inactive_because"]


async def test_the_first_who_declares_a_name_is_right_until_they_are_gone(api: Api) -> None:
    await _deploy(api, "plant", outlets=[READINGS])
    await _deploy(api, "other", inlets=[READINGS | {"uri": "s3://elsewhere"}])
    both = await _asset(api, "plant/readings")

    await _deploy(api, "plant")
    second = await _asset(api, "plant/readings")

    assert (both["uri"], both["active"], both["declared_by"]) == ("s3://plant/readings", True, ["other", "plant"])
    assert (second["uri"], second["active"]) == ("s3://elsewhere", True)


async def test_a_manifest_that_contradicts_itself_is_refused(api: Api) -> None:
    twice = await _deploy(api, "plant", status=422, inlets=[READINGS], outlets=[READINGS | {"uri": "s3://elsewhere"}])
    named = await _deploy(api, "plant", status=422, inlets=[READINGS], outlets=[READINGS | {"name": "other"}])
    large = await _deploy(api, "plant", status=422, outlets=[READINGS | {"extra": {"text": "x" * 16384}}])

    assert "give it one" in twice["detail"]
    assert "give it one name" in named["detail"]
    assert "16 KiB of JSON at most" in large["detail"]


async def test_a_task_reads_what_it_declared_and_nothing_else(api: Api, north: EnrolledAgent) -> None:
    await _deploy(api, "plant", outlets=[READINGS, REPORT])
    token = await api.lease(north, inlets=[READINGS])

    by_name = await north.call("GET", "/v1/task/asset?name=plant%2Freadings", token=token)
    by_uri = await north.call("GET", "/v1/task/asset?uri=s3%3A%2F%2Fplant%2Freadings", token=token)
    others = [
        await north.call("GET", f"/v1/task/{path}", token=token)
        for path in (
            "asset?name=report", "asset?uri=s3%3A%2F%2Freport", "asset?name=nowhere", "asset-events?name=report",
            "assets?alias=backups", "asset-events?alias=backups", "asset-state/k?name=report",
        )
    ]  # fmt: skip

    assert by_name.json() == by_uri.json()
    assert (by_name.json()["name"], by_name.json()["active"]) == ("plant/readings", True)
    assert [(answer.status_code, answer.json()["code"]) for answer in others] == [(403, "not_declared")] * len(others)


async def test_events_come_by_time_and_say_where_they_are_from(api: Api, north: EnrolledAgent) -> None:
    await _deploy(api, "plant", outlets=[READINGS])
    for number in range(3):
        said = AssetEventSaid(name="plant/readings", extra={"rows": number})
        await _succeeds(api, instance=f"ti_{number}", said=(said,), outlets=[READINGS])
    token = await api.lease(north, inlets=[READINGS])

    async def ask(query: str) -> Any:
        answer = await north.call("GET", f"/v1/task/asset-events?name=plant%2Freadings{query}", token=token)
        assert answer.status_code == 200, answer.text
        return answer.json()

    every = await ask("")
    newest = await ask("&ascending=false&limit=2")
    listed = (await api.as_person("GET", "/v1/teams/default/asset-events?asset=plant%2Freadings&limit=2")).json()

    assert [event["extra"]["rows"] for event in every["events"]] == [0, 1, 2]
    assert not every["more"]
    source = {key: every["events"][0][key] for key in ("dag", "run", "task", "map_index", "try_number", "alias")}
    assert source == {
        "dag": "plant", "run": "run_1", "task": "load", "map_index": 3, "try_number": 2, "alias": None,
    }  # fmt: skip
    assert ([event["extra"]["rows"] for event in newest["events"]], newest["more"]) == ([2, 1], True)
    assert (await ask("&after=2100-01-01T00%3A00%3A00Z"))["events"] == []
    assert len((await ask("&before=2100-01-01T00%3A00%3A00Z"))["events"]) == 3
    assert [event["extra"]["rows"] for event in listed["items"]] == [2, 1]
    rest = await api.as_person("GET", f"/v1/teams/default/asset-events?after={listed['next']}&limit=2")
    assert [event["extra"]["rows"] for event in rest.json()["items"]] == [0]


async def test_an_alias_stands_for_what_the_task_added(api: Api, north: EnrolledAgent) -> None:
    added = AssetEventSaid.model_validate({"name": "report", "alias": "backups", "asset": REPORT, "extra": {"n": 1}})
    not_declared = added.model_copy(update={"alias": "other"})
    await _succeeds(api, said=(added, not_declared), outlet_aliases=["backups"])
    token = await api.lease(north, inlet_aliases=["backups"])

    found = await north.call("GET", "/v1/task/assets?alias=backups", token=token)
    events = await north.call("GET", "/v1/task/asset-events?alias=backups", token=token)

    assert [asset["name"] for asset in found.json()["assets"]] == ["report"]
    assert [(event["asset"], event["alias"]) for event in events.json()["events"]] == [("report", "backups")]
    assert (await _asset(api, "report"))["aliases"] == ["backups"]


async def test_state_is_kept_with_the_asset_and_written_by_outlets_only(api: Api, north: EnrolledAgent) -> None:
    await _deploy(api, "plant", outlets=[READINGS])
    writer = await api.lease(north, outlets=[READINGS])
    reader = await api.lease(north, instance="ti_2", inlets=[READINGS])
    key = "/v1/task/asset-state/at%2Frow?name=plant%2Freadings"

    put = await north.call("PUT", key, token=writer, json={"value": {"row": 7}})
    got = await north.call("GET", key, token=reader)
    keys = await north.call("GET", "/v1/task/asset-state?name=plant%2Freadings&prefix=at", token=reader)
    refused = [
        await north.call("PUT", key, token=reader, json={"value": 1}),
        await north.call("DELETE", key, token=reader),
        await north.call("DELETE", "/v1/task/asset-state?name=plant%2Freadings", token=reader),
    ]
    large = await north.call("PUT", key, token=writer, json={"value": "x" * 65536})
    removed = await north.call("DELETE", key, token=writer)
    gone = await north.call("GET", key, token=reader)

    assert (put.status_code, got.json()["value"], keys.json()["keys"]) == (204, {"row": 7}, ["at/row"])
    assert [answer.json()["code"] for answer in refused] == ["not_declared"] * 3
    assert (large.status_code, "64 KiB" in large.json()["detail"]) == (422, True)
    assert (removed.status_code, gone.status_code) == (204, 404)


async def test_an_asset_keeps_a_thousand_keys_at_most_whoever_writes_at_once(api: Api, north: EnrolledAgent) -> None:
    await _deploy(api, "plant", outlets=[READINGS])
    writer = await api.lease(north, outlets=[READINGS])
    asset = await api.read(lambda c: c.execute(select(tables.assets.c.id)).scalar_one())
    rows = [
        {"asset_id": asset, "key": f"k{n}", "value": "1", "size": 1, "updated_at": 0.0, "updated_by": "test"}
        for n in range(999)
    ]
    await api.database.write(lambda tx: tx.run(insert(tables.asset_state), rows) and None)

    answers = await asyncio.gather(
        *(
            north.call("PUT", f"/v1/task/asset-state/new{n}?name=plant%2Freadings", token=writer, json={"value": 1})
            for n in range(3)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [204, 422, 422]


async def test_whoever_lost_the_lease_neither_reads_nor_writes(api: Api, north: EnrolledAgent) -> None:
    await _deploy(api, "plant", outlets=[READINGS])
    token = await api.lease(north, outlets=[READINGS])
    later = tables.task_instances.update().values(epoch=2)
    await api.database.write(lambda tx: tx.run(later) and None)

    answers = [
        await north.call("GET", "/v1/task/asset?name=plant%2Freadings", token=token),
        await north.call("GET", "/v1/task/asset-events?name=plant%2Freadings", token=token),
        await north.call("PUT", "/v1/task/asset-state/k?name=plant%2Freadings", token=token, json={"value": 1}),
    ]

    assert [answer.json()["code"] for answer in answers] == ["lease_lost"] * 3
    assert await api.read(lambda c: c.execute(select(tables.asset_state)).first()) is None


async def test_questions_that_make_no_sense_are_refused(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, inlets=[READINGS])

    answers = [
        await north.call("GET", f"/v1/task/{path}", token=token)
        for path in ("asset", "asset?name=a&uri=b", "asset-events?name=a&alias=b", "asset-events?name=a&limit=1001")
    ]
    absent = await api.as_person("GET", "/v1/teams/default/assets/nowhere")

    assert [answer.status_code for answer in answers] == [422] * 4
    assert "deploy a DAG that has it" in absent.json()["detail"]
