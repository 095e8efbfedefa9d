"""What a task reads of what others left: by run and map index, in slices; and the files that values name."""

from __future__ import annotations

import hashlib
from typing import Any

import httpx
from sqlalchemy import insert, update

from leasehold_api import clock
from leasehold_api.storage import tables
from leasehold_api.storage.sql_telemetry import put_xcom
from leasehold_api.storage.writer import Transaction
from tests.support.api_server import Api, EnrolledAgent, on_both_stores

CONTENT = b"plant;rows\nnorth;3\n"
NAME = hashlib.sha256(CONTENT).hexdigest()
OWN_RUN = "run_ti_1"


async def give(
    api: Api, task: str, value: str, *, run: str = OWN_RUN, map_index: int = -1, state: str = "success", **more: Any
) -> None:
    """Put a task instance of a run into the database, with a value that it left under the key ``rows``."""
    instance = f"{run}_{task}_{map_index}"
    team = await team_of(api)

    def operation(tx: Transaction) -> None:
        row = {
            "id": instance, "run_id": run, "dag_version_id": "ver_ti_1", "team_id": team, "task": task,
            "position": 1, "map_index": map_index, "state": state, "priority": 0, "placement_id": "pl_ti_1",
            "waits_for": 0, "epoch": 1, "lease_length_s": 300,
        }  # fmt: skip
        tx.run(insert(tables.task_instances), row)
        put_xcom(tx, instance, 1, "rows", value=value, size=len(value), upload=None, **more)

    await api.database.write(operation)


async def earlier_run(api: Api, run: str, *, before_s: float, dag: str = "dag_ti_1") -> None:
    """Put a run of the reader's DAG, or of another, into the database."""
    own = await api.read(lambda c: c.execute(tables.runs.select().where(tables.runs.c.id == OWN_RUN)).one())
    row = {**own._asdict(), "id": run, "logical_date": own.logical_date - before_s, "dag_id": dag}
    await api.database.write(lambda tx: tx.run(insert(tables.runs), row).close())


async def read(north: EnrolledAgent, token: str, path: str) -> httpx.Response:
    route, _, query = path.partition("?")
    return await north.call("GET", f"/v1/task/{route}", token=token, params=dict(httpx.QueryParams(query)))


@on_both_stores
async def test_values_of_a_mapped_task_come_in_slices_in_the_order_of_the_map_index(
    api: Api, north: EnrolledAgent
) -> None:
    token = await api.lease(north, upstream=["lines"])
    for index in (10, 2, 0, 7):
        await give(api, "lines", str(index), map_index=index)
    await give(api, "lines", '"' + "x" * 20_000 + '"', map_index=11)

    whole = (await read(north, token, "mapped-xcoms/lines/rows")).json()
    part = (await read(north, token, "mapped-xcoms/lines/rows?offset=1&limit=2")).json()
    counted = (await read(north, token, "mapped-xcoms/lines/rows?limit=0")).json()
    beyond = (await read(north, token, "mapped-xcoms/lines/rows?offset=9")).json()
    greedy = await read(north, token, "mapped-xcoms/lines/rows?limit=65")
    one = (await read(north, token, "xcoms/lines/rows?map_index=7")).json()

    assert [(each["map_index"], each["value"], each["inline"]) for each in whole["items"]] == [
        (0, 0, True), (2, 2, True), (7, 7, True), (10, 10, True), (11, None, False),
    ]  # fmt: skip
    assert ([each["value"] for each in part["items"]], part["count"]) == ([2, 7], 5)
    assert (counted, beyond) == ({"items": [], "count": 5}, {"items": [], "count": 5})
    assert greedy.status_code == 422
    assert (one["value"], one["run"]) == (7, OWN_RUN)


@on_both_stores
async def test_a_task_reads_other_runs_of_its_dag_and_of_no_other(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north)
    await api.lease(north, instance="ti_other")
    await earlier_run(api, "run_b", before_s=60)
    await earlier_run(api, "run_a", before_s=120)
    await earlier_run(api, "run_elsewhere", before_s=30, dag="dag_ti_other")
    await give(api, "lines", "1", run="run_a")
    await give(api, "lines", "2", run="run_b", state="failed")
    await give(api, "lines", "3", run="run_elsewhere")

    named = await read(north, token, "xcoms/lines/rows?run=run_a")
    failed = await read(north, token, "xcoms/lines/rows?run=previous")
    newest = await read(north, token, "xcoms/lines/rows?include_prior=true")
    elsewhere = await read(north, token, "xcoms/lines/rows?run=run_elsewhere")
    unknown = await read(north, token, "xcoms/lines/rows?run=run_x")
    sliced = await read(north, token, "mapped-xcoms/lines/rows?run=run_elsewhere")
    own = await read(north, token, "xcoms/lines/rows")

    assert (named.json()["value"], named.json()["run"]) == (1, "run_a")
    assert failed.status_code == 404, "what failed left nothing that counts"
    assert (newest.json()["value"], newest.json()["run"]) == (1, "run_a")
    assert [(each.status_code, each.json()["code"]) for each in (elsewhere, unknown, sliced, own)] == [
        (403, "not_declared")
    ] * 4
    assert elsewhere.json()["detail"] == unknown.json()["detail"].replace("run_x", "run_elsewhere")


@on_both_stores
async def test_the_first_run_has_none_before_it(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north)

    answer = await read(north, token, "xcoms/extract/rows?run=previous")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@on_both_stores
async def test_only_files_that_readable_values_name_are_given(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, upstream=["lines"])
    await api.house.blobs_of(await team_of(api)).put(NAME, pieces(CONTENT), most_bytes=1000)
    unnamed = await read(north, token, f"files/{NAME}")
    await give(api, "secret", "1", files={NAME: len(CONTENT)})
    not_upstream = await read(north, token, f"files/{NAME}")
    await give(api, "lines", "2", files={NAME: len(CONTENT)})

    given = await read(north, token, f"files/{NAME}")
    rest = await north.call("GET", f"/v1/task/files/{NAME}", token=token, headers={"Range": "bytes=6-"})
    beyond = await north.call("GET", f"/v1/task/files/{NAME}", token=token, headers={"Range": "bytes=19-"})
    await api.database.write(
        lambda tx: tx.run(
            update(tables.task_instances).where(tables.task_instances.c.task == "lines").values(epoch=2)
        ).close()
    )
    of_older_epoch = await read(north, token, f"files/{NAME}")

    assert [each.status_code for each in (unnamed, not_upstream, of_older_epoch)] == [404] * 3
    assert (given.status_code, given.content) == (200, CONTENT)
    assert (rest.status_code, rest.content, rest.headers["content-range"]) == (206, CONTENT[6:], "bytes 6-18/19")
    assert (beyond.status_code, beyond.json()["code"]) == (409, "offset_mismatch")


@on_both_stores
async def test_a_task_lists_the_variables_that_it_declared(api: Api, north: EnrolledAgent) -> None:
    for key in ("limits/lower", "limits/upper", "Limits/other", "limitsx", "alone", "hidden"):
        await api.as_person("PUT", f"/v1/teams/default/variables/{key}", json={"value": 1})
    token = await api.lease(north, variables=["limits/*", "alone"])

    everything = (await read(north, token, "variables")).json()["items"]
    part = (await read(north, token, "variables?prefix=limits/u")).json()["items"]
    fits = await read(north, token, "variables/limits/upper")
    misses = await read(north, token, "variables/limitsx")
    written = await north.call(
        "PUT", "/v1/task/variables/limits/new", token=token, json={"value": 2, "description": "what it is for"}
    )

    assert sorted(everything) == ["alone", "limits/lower", "limits/upper"]
    assert part == ["limits/upper"]
    assert (fits.status_code, misses.json()["code"], written.status_code) == (200, "not_declared", 204)
    shown = (await api.as_person("GET", "/v1/teams/default/variables/limits/new")).json()
    assert (shown["value"], shown["description"]) == (2, "what it is for")
    assert (await api.audited("variable.listed"))[0].object == "*"


async def test_a_task_that_declared_no_variable_lists_none(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north)

    answer = await read(north, token, "variables")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_declared")


async def test_a_value_can_only_name_files_that_are_there(api: Api, north: EnrolledAgent) -> None:
    await api.lease(north)
    row = {
        "task_instance_id": "ti_1", "epoch": 1, "try_number": 1, "agent_id": north.id, "site_id": await site_of(api),
        "leased_at": clock.now(),
    }  # fmt: skip
    await api.database.write(lambda tx: tx.run(insert(tables.attempts), row).close())
    body = {"value": {"$type": "file"}, "files": [{"sha256": NAME, "size": len(CONTENT)}]}

    early = await north.call("PUT", "/v1/attempts/ti_1.1/xcoms/rows", json=body)
    begun = await north.call("POST", "/v1/attempts/ti_1.1/uploads", json={"sha256": NAME, "size": len(CONTENT)})
    first = await part(north, CONTENT[:7], 0)
    gap = await part(north, CONTENT[9:], 9)
    again = await north.call("POST", "/v1/attempts/ti_1.1/uploads", json={"sha256": NAME, "size": len(CONTENT)})
    last = await part(north, CONTENT[7:], 7)
    known = await north.call("POST", "/v1/attempts/ti_1.1/uploads", json={"sha256": NAME, "size": len(CONTENT)})
    wrong = await north.call(
        "PUT", "/v1/attempts/ti_1.1/xcoms/rows", json=body | {"files": [{"sha256": NAME, "size": 1}]}
    )
    done = await north.call("PUT", "/v1/attempts/ti_1.1/xcoms/rows", json=body)
    huge = await north.call("POST", "/v1/attempts/ti_1.1/uploads", json={"sha256": "a" * 64, "size": 2**50})

    assert (early.status_code, begun.json()["offset"]) == (409, 0)
    assert (first.json(), again.json()["offset"]) == ({"offset": 7, "complete": False}, 7)
    assert (gap.json()["code"], gap.json()["offset"]) == ("offset_mismatch", 7)
    assert (last.json(), known.json()["url"]) == ({"offset": 19, "complete": True}, None)
    assert (wrong.status_code, done.status_code, huge.status_code) == (422, 204, 413)


async def part(north: EnrolledAgent, data: bytes, offset: int) -> httpx.Response:
    headers = {"Upload-Offset": str(offset), "Upload-Length": str(len(CONTENT))}
    return await north.call("PATCH", f"/v1/attempts/ti_1.1/uploads/{NAME}", content=data, headers=headers)


async def pieces(data: bytes) -> Any:
    yield data


async def team_of(api: Api) -> str:
    return str(await api.read(lambda c: c.execute(tables.teams.select()).first().id))  # type: ignore[union-attr]


async def site_of(api: Api) -> str:
    return str(await api.read(lambda c: c.execute(tables.sites.select()).first().id))  # type: ignore[union-attr]
