"""What agents say over HTTP: hello, leases, renewals, outcomes, logs, metrics and XComs."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from leasehold_protocol.v1.leases import LeaseAnswer
from tests.support.api_server import Api, EnrolledAgent
from tests.support.world import program

HELLO = {
    "agent_version": "0.1.0",
    "protocol_min": 1,
    "protocol_max": 1,
    "slots": 4,
    "host": {"hostname": "north-1", "os": "linux", "arch": "x86_64", "cpus": 2, "python": "3.11"},
}


@pytest.fixture
async def north(api: Api) -> EnrolledAgent:
    await api.make_site("north", max_slots=3, labels={"zone": "north"})
    return await api.enrol("north")


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0)


async def trigger(api: Api, *tasks: dict[str, Any], dag: str = "report", **body: Any) -> dict[str, Any]:
    """Deploy a DAG of these tasks and run it."""
    manifest = {"dag": dag, "tasks": list(tasks)}
    deployed = await api.as_person("POST", "/v1/teams/default/dags", json={"manifest": manifest})
    assert deployed.status_code in {200, 201}, deployed.text
    answer = await api.as_person("POST", f"/v1/teams/default/dags/{dag}/runs", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def take(agent: EnrolledAgent, *, slots: int = 1, wait_s: float = 0) -> httpx.Response:
    """Ask for leases."""
    return await agent.call("POST", "/v1/agent/leases", json={"free_slots": slots, "wait_s": wait_s})


async def lease(agent: EnrolledAgent) -> dict[str, Any]:
    """Take the one lease there is."""
    answer = await take(agent)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["leases"][0])


def outcome(attempt: str, **more: Any) -> dict[str, Any]:
    """Return a successful outcome."""
    return {"attempt": attempt, "ending": {"kind": "success", "ended_at": "2026-01-31T12:00:00Z"}, **more}


def tail(log: bytes, *, offset: int = 0, whole: bytes | None = None) -> dict[str, Any]:
    """Return the end of a log as an outcome carries it."""
    whole = log if whole is None else whole
    data = base64.b64encode(log).decode()
    return {"offset": offset, "data": data, "size": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}


async def test_hello_gives_the_sites_terms(api: Api, north: EnrolledAgent) -> None:
    answer = await north.call("POST", "/v1/agent/hello", json=HELLO)

    said = answer.json()
    assert (said["site"], said["slots"], said["labels"]) == ("north", 3, {"zone": "north"})
    shown = (await api.as_person("GET", "/v1/teams/default/agents")).json()["items"][0]
    assert (shown["status"], shown["version"], shown["host"]["hostname"]) == ("connected", "0.1.0", "north-1")


async def test_an_agent_outside_the_protocols_window_is_told_who_must_upgrade(north: EnrolledAgent) -> None:
    answer = await north.call("POST", "/v1/agent/hello", json={**HELLO, "protocol_min": 7, "protocol_max": 9})

    assert answer.status_code == 426
    assert "upgrade the API first" in answer.json()["detail"]


async def test_an_empty_queue_answers_204_after_the_wait(north: EnrolledAgent) -> None:
    assert (await take(north)).status_code == 204


async def test_a_parked_request_is_answered_when_work_comes(api: Api, north: EnrolledAgent) -> None:
    parked = asyncio.create_task(take(north, wait_s=30))
    await until(lambda: len(api.house.parking) == 1)
    async with asyncio.timeout(20):
        run = await trigger(api, program("a"))
        answer = await parked

    assert LeaseAnswer.model_validate(answer.json()).leases[0].run.run == run["run"]


async def test_no_database_connection_is_held_while_requests_are_parked(api: Api, north: EnrolledAgent) -> None:
    parked = [asyncio.create_task(take(north, wait_s=30)) for _ in range(20)]
    await until(lambda: len(api.house.parking) == 20)
    async with asyncio.timeout(20):
        # Whatever looked into the queue before it parked has come back by the time another read is answered.
        await api.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())

        pool = api.database.engine.pool
        api.house.stop_waiting()
        answers = await asyncio.gather(*parked)

    assert pool.checkedout() == 0  # type: ignore[attr-defined]  # QueuePool's
    assert {answer.status_code for answer in answers} == {204}, "a stopping API answers everyone who waits"


async def test_a_lease_has_everything_a_task_needs_and_a_token_of_its_own(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("a", variables=["limit"], max_offline_s=60))

    given = await lease(north)

    assert given["attempt"] == f"{given['task_instance']}.1"
    assert given["length_s"] == 60
    assert given["task_token"].count(".") == 2
    assert 0 < given["task_token_expires_in_s"] <= 60


async def test_an_outcome_brings_the_run_forward_and_may_fetch_the_next_lease(api: Api, north: EnrolledAgent) -> None:
    run = await trigger(api, program("a"), program("b", "a"))
    first = await lease(north)

    answer = await north.call(
        "POST",
        "/v1/agent/outcomes",
        json={
            "outcomes": [outcome(first["attempt"], xcoms=[{"key": "return_value", "value": [1]}], log=tail(b""))],
            "free_slots": 1,
        },
    )

    said = answer.json()
    assert said["outcomes"][0]["verdict"] == "recorded"
    assert said["leases"][0]["inputs"][0]["value"] == [1]
    shown = (await api.as_person("GET", f"/v1/teams/default/runs/{run['run']}")).json()
    assert [task["state"] for task in shown["tasks"]] == ["success", "running"]


async def test_a_cancelled_run_calls_its_agent_at_once(api: Api, north: EnrolledAgent) -> None:
    run = await trigger(api, program("a"))
    given = await lease(north)
    parked = asyncio.create_task(take(north, wait_s=30))
    await until(lambda: len(api.house.parking) == 1)
    async with asyncio.timeout(20):
        await api.as_person("POST", f"/v1/teams/default/runs/{run['run']}/cancel", json={"reason": "wrong day"})
        control = (await parked).json()["control"]

    assert [(one["kind"], one["attempt"]) for one in control] == [("cancel", given["attempt"])]
    assert "wrong day" in control[0]["reason"]


async def test_a_renewal_gives_a_new_task_token_when_asked(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("a"))
    given = await lease(north)

    answer = await north.call(
        "POST", "/v1/agent/renewals", json={"leases": [{"attempt": given["attempt"], "needs_token": True}]}
    )

    (renewed,) = answer.json()["leases"]
    assert (renewed["verdict"], renewed["length_s"]) == ("renewed", 300)
    assert renewed["task_token"].count(".") == 2


async def test_why_an_agent_takes_no_work_is_shown(api: Api, north: EnrolledAgent) -> None:
    await north.call("POST", "/v1/agent/renewals", json={"paused_because": ["disk below low water"]})

    shown = (await api.as_person("GET", "/v1/teams/default/agents")).json()["items"][0]
    assert shown["paused_because"] == ["disk below low water"]


async def test_a_log_grows_by_offsets_and_is_checked_at_its_end(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("a"))
    attempt = (await lease(north))["attempt"]
    path, whole = f"/v1/attempts/{attempt}/log", b"first\nsecond\n"

    first = await north.call("PATCH", path, headers={"Upload-Offset": "0"}, content=b"first\n")
    gap = await north.call("PATCH", path, headers={"Upload-Offset": "9"}, content=b"nd\n")
    last = await north.call(
        "PATCH",
        path,
        headers={
            "Upload-Offset": "6",
            "Content-Encoding": "gzip",
            "Upload-Length": str(len(whole)),
            "Upload-Checksum": f"sha256={hashlib.sha256(whole).hexdigest()}",
        },
        content=gzip.compress(b"second\n"),
    )

    assert first.json() == {"offset": 6, "complete": False}
    assert (gap.status_code, gap.json()["code"], gap.json()["offset"]) == (409, "offset_mismatch", 6)
    assert last.json() == {"offset": 13, "complete": True}
    read = await api.as_person("GET", f"/v1/teams/default/attempts/{attempt}/log?offset=6")
    assert (read.content, read.headers["log-complete"]) == (b"second\n", "true")


async def test_a_log_whose_checksum_does_not_fit_is_asked_for_again(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("a"))
    attempt = (await lease(north))["attempt"]

    answer = await north.call(
        "PATCH",
        f"/v1/attempts/{attempt}/log",
        headers={"Upload-Offset": "0", "Upload-Length": "3", "Upload-Checksum": f"sha256={'0' * 64}"},
        content=b"abc",
    )

    assert answer.json() == {"offset": 0, "complete": False}


async def test_whoever_follows_a_log_is_woken_by_what_arrives(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("a"))
    attempt = (await lease(north))["attempt"]
    following = asyncio.create_task(
        api.as_person("GET", f"/v1/teams/default/attempts/{attempt}/log?offset=0&wait_s=30")
    )

    async with asyncio.timeout(20):
        await north.call("PATCH", f"/v1/attempts/{attempt}/log", headers={"Upload-Offset": "0"}, content=b"line\n")
        answer = await following

    assert (answer.content, answer.headers["log-complete"]) == (b"line\n", "false")


async def test_metrics_sent_twice_count_once(api: Api, north: EnrolledAgent) -> None:
    run = await trigger(api, program("a"))
    attempt = (await lease(north))["attempt"]
    points = [
        {"seq": n, "at": "2026-01-31T12:00:00Z", "name": "rows", "kind": "counter", "value": n} for n in (1, 2, 3)
    ]

    await north.call("POST", f"/v1/attempts/{attempt}/metrics", json={"points": points[:2]})
    answer = await north.call("POST", f"/v1/attempts/{attempt}/metrics", json={"points": points})

    assert answer.json() == {"seq": 3}
    (shown,) = (await api.as_person("GET", f"/v1/teams/default/runs/{run['run']}/metrics")).json()["items"]
    assert (shown["name"], shown["count"], shown["total"]) == ("rows", 3, 6)


async def test_a_large_xcom_goes_through_an_upload_and_is_read_by_the_next_task(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("a"), program("b", "a"))
    attempt = (await lease(north))["attempt"]
    text = b'"' + b"x" * 300_000 + b'"'
    name = hashlib.sha256(text).hexdigest()

    inline = await north.call("PUT", f"/v1/attempts/{attempt}/xcoms/return_value", json={"value": "x" * 300_000})
    early = await north.call("PUT", f"/v1/attempts/{attempt}/xcoms/return_value", json={"upload": name, "size": 1})
    where = await north.call("POST", f"/v1/attempts/{attempt}/uploads", json={"sha256": name, "size": len(text)})
    put = await north.call("PUT", where.json()["url"], content=text)
    done = await north.call(
        "PUT", f"/v1/attempts/{attempt}/xcoms/return_value", json={"upload": name, "size": len(text)}
    )
    await north.call("POST", "/v1/agent/outcomes", json={"outcomes": [outcome(attempt)]})
    second = await lease(north)
    content = await north.call("GET", "/v1/task/xcoms/a/return_value/content", token=second["task_token"])

    assert (inline.status_code, inline.json()["code"]) == (413, "body_too_large")
    assert early.status_code == 409
    assert (put.status_code, done.status_code) == (204, 204)
    assert second["inputs"] == [
        {"task": "a", "key": "return_value", "size": len(text), "inline": False, "mapped": False}
    ]
    assert content.content == text


async def test_knowing_the_hash_of_another_teams_result_is_not_having_it(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("a"))
    attempt = (await lease(north))["attempt"]
    secret = b'"' + b"s" * 300_000 + b'"'
    name = hashlib.sha256(secret).hexdigest()
    await north.call("PUT", f"/v1/attempts/{attempt}/uploads/{name}", content=secret)
    await api.make_team("rivals")
    await api.make_site("spy", team="rivals")
    spy = await api.enrol("spy", team="rivals", name="spy-1")
    manifest = {"dag": "peek", "tasks": [program("a")]}
    await api.as_person("POST", "/v1/teams/rivals/dags", json={"manifest": manifest})
    await api.as_person("POST", "/v1/teams/rivals/dags/peek/runs", json={})
    own = (await lease(spy))["attempt"]

    offered = await spy.call("POST", f"/v1/attempts/{own}/uploads", json={"sha256": name, "size": len(secret)})
    claimed = await spy.call("PUT", f"/v1/attempts/{own}/xcoms/k", json={"upload": name, "size": len(secret)})

    assert offered.json()["url"] is not None, "it must send the bytes itself"
    assert claimed.status_code == 409


async def test_a_task_reads_only_what_it_depends_on(api: Api, north: EnrolledAgent) -> None:
    await trigger(api, program("secret", priority=1), program("nosy"))
    first = await lease(north)
    await north.call("POST", "/v1/agent/outcomes", json={"outcomes": [outcome(first["attempt"])]})
    nosy = await lease(north)

    answer = await north.call("GET", "/v1/task/xcoms/secret/return_value", token=nosy["task_token"])

    assert (answer.status_code, answer.json()["code"]) == (403, "not_declared")


async def test_an_agent_reaches_no_attempt_of_another(api: Api, north: EnrolledAgent) -> None:
    other = await api.enrol("north", name="north-2")
    await trigger(api, program("a"))
    attempt = (await lease(north))["attempt"]

    log = await other.call("PATCH", f"/v1/attempts/{attempt}/log", headers={"Upload-Offset": "0"}, content=b"x")
    metrics = await other.call("POST", f"/v1/attempts/{attempt}/metrics", json={"points": []})
    xcom = await other.call("PUT", f"/v1/attempts/{attempt}/xcoms/k", json={"value": 1})
    ended = await other.call("POST", "/v1/agent/outcomes", json={"outcomes": [outcome(attempt)]})

    assert [answer.status_code for answer in (log, metrics, xcom)] == [404, 404, 404]
    assert ended.json()["outcomes"][0]["verdict"] == "refused"


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {"Content-Type": "application/json"}, 400, "not_json"),
        (b"[]", {"Content-Type": "application/json"}, 422, "invalid_request"),
        (b'{"free_slots": -1}', {"Content-Type": "application/json"}, 422, "invalid_request"),
        (b"x" * (5 * 1024 * 1024), {"Content-Type": "application/json"}, 413, "body_too_large"),
        (gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}, 413, "body_too_large"),
        (b"not gzip", {"Content-Encoding": "gzip"}, 400, "not_json"),
        (gzip.compress(b'{"free_slots": 1}')[:-5], {"Content-Encoding": "gzip"}, 400, "not_json"),
    ],
    ids=["broken", "list", "value", "large", "bomb", "not-gzip", "cut"],
)
async def test_a_bad_body_is_answered_with_what_is_wrong(
    north: EnrolledAgent, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json", **headers}

    answer = await north.call("POST", "/v1/agent/leases", content=content, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


async def test_an_unknown_route_says_where_the_routes_are(api: Api) -> None:
    answer = await api.client.get("/v2/everything")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "/v1/openapi.json" in answer.json()["detail"]


async def test_a_runs_parameters_are_checked_against_the_schema(api: Api) -> None:
    schema = {"type": "object", "properties": {"day": {"type": "string"}, "limit": {"type": "integer", "default": 3}}}
    manifest = {"dag": "report", "params_schema": schema, "tasks": [program("a")]}
    await api.as_person("POST", "/v1/teams/default/dags", json={"manifest": manifest})

    wrong = await api.as_person("POST", "/v1/teams/default/dags/report/runs", json={"params": {"day": 1, "dya": "x"}})
    right = await api.as_person("POST", "/v1/teams/default/dags/report/runs", json={"params": {"day": "today"}})

    assert wrong.status_code == 422
    assert {error["field"] for error in wrong.json()["errors"]} == {"params.day", "params.dya"}
    assert right.json()["params"] == {"day": "today", "limit": 3}


async def test_a_manifest_with_a_cycle_is_refused_with_the_path(api: Api) -> None:
    manifest = {"dag": "report", "tasks": [program("a", "b"), program("b", "a")]}

    answer = await api.as_person("POST", "/v1/teams/default/dags", json={"manifest": manifest})

    assert answer.status_code == 422
    assert "a → b → a" in answer.json()["detail"] or "b → a → b" in answer.json()["detail"]


async def test_the_same_idempotency_key_gives_the_same_run(api: Api) -> None:
    first = await trigger(api, program("a"), idempotency_key="today")

    second = await trigger(api, program("a"), idempotency_key="today")

    assert first["run"] == second["run"]


async def test_whoever_watches_a_run_is_woken_by_its_changes(api: Api, north: EnrolledAgent) -> None:
    run = await trigger(api, program("a"))
    path, auth = f"/v1/teams/default/runs/{run['run']}", {"Authorization": f"Bearer {api.admin_token}"}
    seen = await api.client.get(path, headers=auth)
    known = auth | {"If-None-Match": seen.headers["etag"]}

    unchanged = await api.client.get(path, headers=known)
    watching = asyncio.create_task(api.client.get(f"{path}?wait_s=30", headers=known))
    async with asyncio.timeout(20):
        await lease(north)
        changed = await watching

    assert (unchanged.status_code, changed.status_code) == (304, 200)
    assert changed.json()["tasks"][0]["state"] == "running"
