"""What a running task may know of runs, and the runs it starts: its own DAG's, and those of DAGs that it declared."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import insert, select, update

from leasehold_api.runs.facts import DEEPEST
from leasehold_api.storage import tables
from tests.support.api_server import Api, EnrolledAgent, on_both_stores

OWN = "sensors-ti_1"
TASK = {"id": "load", "work": {"kind": "program", "argv": [{"kind": "literal", "value": "true"}]}}
SCHEMA = {"type": "object", "properties": {"day": {"type": "string", "default": "today"}}}
JUNE = 1_780_000_000.0


async def _deploy(api: Api, dag: str) -> None:
    manifest = {"dag": dag, "description": f"about {dag}", "params_schema": SCHEMA, "tasks": [TASK]}
    answer = await api.as_person("POST", "/v1/teams/default/dags", json={"manifest": manifest})
    assert answer.status_code == 201, answer.text


async def _earlier(api: Api, run: str, *, days: int, state: str = "success", **more: Any) -> None:
    """Put a run of the task's own DAG into the past, with its one task instance."""
    own = (
        await api.read(lambda c: c.execute(select(tables.runs).where(tables.runs.c.id == "run_ti_1")).one())
    )._asdict()
    instance = (await api.read(lambda c: c.execute(select(tables.task_instances)).first()))._asdict()  # type: ignore[union-attr]
    then = own["logical_date"] - 86400 * days
    times = {"started_at": then + 1, "ended_at": then + 2, "created_at": then}
    row = {**own, **times, "id": run, "state": state, "logical_date": then, "idempotency_key": None}
    task = {**instance, **times, "id": f"ti_{run}", "run_id": run, "state": state, "agent_id": None, "expires_at": None}
    task.pop("created_at")

    def write(tx: Any) -> None:
        tx.run(insert(tables.runs), row)
        tx.run(insert(tables.task_instances), {**task, **more})

    await api.database.write(write)


@pytest.fixture
async def token(api: Api, north: EnrolledAgent) -> str:
    """A task with three earlier runs of its DAG: a success, a failure, and yesterday's success."""
    token = await api.lease(north, triggers=["load_all"], dags=["cleaning"])
    await _earlier(api, "run_a", days=3)
    await _earlier(api, "run_b", days=2, state="failed")
    await _earlier(api, "run_c", days=1)
    return token


async def _ask(north: EnrolledAgent, token: str, path: str, **query: str) -> Any:
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    answer = await north.call("GET", f"/v1/task/{path}" + (f"?{asked}" if asked else ""), token=token)
    assert answer.status_code == 200, answer.text
    return answer.json()


@on_both_stores
async def test_the_previous_run_and_the_previous_success_are_told(north: EnrolledAgent, token: str) -> None:
    newest = await _ask(north, token, "runs/previous")
    failed = await _ask(north, token, "runs/previous", state="failed,cancelled")
    before = await _ask(north, token, "runs/previous", before=failed["previous"]["logical_date"], state="success")

    assert newest["previous"]["run"] == "run_c"
    assert failed["previous"]["run"] == "run_b"
    assert (before["previous"]["run"], before["previous"]["state"]) == ("run_a", "success")
    assert before["previous"]["started_at"] < before["previous"]["ended_at"]


@on_both_stores
async def test_runs_are_counted_by_state_id_and_logical_date(north: EnrolledAgent, token: str) -> None:
    first = (await _ask(north, token, "runs/run_a"))["logical_date"]

    counts = [
        await _ask(north, token, "runs/count"),
        await _ask(north, token, "runs/count", state="success"),
        await _ask(north, token, "runs/count", run="run_a,run_b,run_elsewhere"),
        await _ask(north, token, "runs/count", logical_date=first),
    ]

    assert [found["count"] for found in counts] == [4, 2, 2, 1]


@on_both_stores
async def test_task_instances_are_listed_and_counted(api: Api, north: EnrolledAgent, token: str) -> None:
    await api.database.write(lambda tx: tx.run(update(tables.task_instances).values(tries=1)).close())

    own = await _ask(north, token, "task-instances")
    failed = await _ask(north, token, "task-instances", dag=OWN, state="failed")
    two = await _ask(north, token, "task-instances", run="run_a,run_c", task="extract")
    count = await _ask(north, token, "task-instances/count", dag=OWN)
    none = await _ask(north, token, "task-instances/count", dag=OWN, map_index="3")

    assert [(item["run"], item["task"], item["state"], item["kind"]) for item in own["items"]] == [
        ("run_ti_1", "extract", "running", "program")
    ]
    assert [item["run"] for item in failed["items"]] == ["run_b"]
    assert [item["run"] for item in two["items"]] == ["run_a", "run_c"]
    assert (count["count"], none["count"], own["more"]) == (4, 0, False)


@on_both_stores
async def test_the_previous_instance_of_the_same_task_is_told(north: EnrolledAgent, token: str) -> None:
    newest = await _ask(north, token, "task-instances/previous")
    failed = await _ask(north, token, "task-instances/previous", state="failed")
    unknown = await _ask(north, token, "task-instances/previous", task="nothing")

    assert (newest["previous"]["run"], newest["previous"]["state"]) == ("run_c", "success")
    assert failed["previous"]["run"] == "run_b"
    assert unknown["previous"] is None


async def test_a_first_run_has_no_previous_one(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north)

    assert await _ask(north, token, "runs/previous") == {"previous": None}
    assert await _ask(north, token, "task-instances/previous") == {"previous": None}


@on_both_stores
async def test_a_declared_dag_is_described(api: Api, north: EnrolledAgent, token: str) -> None:
    await _deploy(api, "cleaning")

    found = await _ask(north, token, "dags/cleaning")

    assert (found["version"], found["description"], found["tasks"]) == (1, "about cleaning", ["load"])


@pytest.mark.parametrize(
    "path",
    [
        "runs/run_other",
        "runs/previous?dag=sensors-ti_2",
        "runs/count?dag=sensors-ti_2",
        "task-instances?dag=sensors-ti_2",
        "task-instances?run=run_ti_2",
        "task-instances/count?run=run_ti_2",
        "task-instances/previous?dag=sensors-ti_2",
        "dags/sensors-ti_2",
    ],
)
async def test_dags_that_it_did_not_declare_are_refused(api: Api, north: EnrolledAgent, path: str) -> None:
    token = await api.lease(north)
    await api.lease(north, instance="ti_2")

    answer = await north.call("GET", f"/v1/task/{path.replace('run_other', 'run_ti_2')}", token=token)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_declared")
    assert "dags=['sensors-ti_2']" in answer.json()["detail"]


async def test_another_teams_runs_do_not_exist(api: Api, north: EnrolledAgent, token: str) -> None:
    await api.make_team("water")
    await api.make_site("lake", team="water")
    lake = await api.enrol("lake", team="water", name="lake-1")
    await api.lease(lake, instance="ti_9", dags=["load_all"])

    one = await north.call("GET", "/v1/task/runs/run_ti_9", token=token)
    listed = await _ask(north, token, "task-instances", run="run_ti_9")

    assert one.status_code == 404
    assert listed["items"] == []


@pytest.mark.parametrize("change", [{"epoch": 2}, {"state": "success"}, {"agent_id": "agt_another"}])
async def test_an_attempt_that_lost_its_lease_learns_and_starts_nothing(
    api: Api, north: EnrolledAgent, change: dict[str, Any]
) -> None:
    token = await api.lease(north, triggers=["load_all"])
    await _deploy(api, "load_all")
    await api.database.write(lambda tx: tx.run(update(tables.task_instances).values(**change)).close())

    answers = [
        await north.call("GET", f"/v1/task/{path}", token=token)
        for path in ("runs/run_ti_1", "runs/previous", "runs/count", "task-instances", "task-instances/count",
                     "task-instances/previous", f"dags/{OWN}")
    ]  # fmt: skip
    answers.append(await north.call("POST", "/v1/task/runs", token=token, json={"dag": "load_all"}))

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(409, "lease_lost")}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("runs/count?state=done", "'done' can't be a state: use one of queued, running, success, failed, cancelled"),
        ("runs/count?logical_date=yesterday", "can't be a logical_date"),
        ("task-instances?run=a%00b", "can't be a run"),
        ("runs/previous?before=2026-11-22T06:00:00", "timezone"),
        ("runs/run_a?wait_s=3600", "30"),
    ],
)
async def test_what_can_not_be_is_refused_by_name(north: EnrolledAgent, token: str, path: str, names: str) -> None:
    answer = await north.call("GET", f"/v1/task/{path}", token=token)

    assert answer.status_code == 422
    assert names in answer.text


@on_both_stores
async def test_a_task_starts_a_run_once_however_often_it_is_tried(api: Api, north: EnrolledAgent, token: str) -> None:
    await _deploy(api, "load_all")
    body = {"dag": "load_all", "params": {"day": "2026-11-22"}}

    first = await north.call("POST", "/v1/task/runs", token=token, json=body)
    again = await north.call("POST", "/v1/task/runs", token=token, json=body)
    other = await north.call("POST", "/v1/task/runs", token=token, json={**body, "key": "evening"})

    assert (first.json()["created"], again.json()["created"], other.json()["created"]) == (True, False, True)
    assert first.json()["run"] == again.json()["run"]
    assert other.json()["run"]["run"] != first.json()["run"]["run"]
    assert first.json()["run"]["params"] == {"day": "2026-11-22"}
    lines = [(line.actor, line.object, line.result) for line in await api.audited("run.triggered")]
    assert lines == [("task:ti_1.1", each.json()["run"]["run"], "done") for each in (first, other)]


@on_both_stores
async def test_a_run_that_a_task_started_names_its_cause(api: Api, north: EnrolledAgent, token: str) -> None:
    await _deploy(api, "load_all")

    started = (await north.call("POST", "/v1/task/runs", token=token, json={"dag": "load_all"})).json()["run"]["run"]

    run = (await api.as_person("GET", f"/v1/teams/default/runs/{started}")).json()
    assert (run["trigger"], run["created_by"], run["caused_by"]) == ("task", "task:ti_1.1", "ti_1")
    assert '"task_instance":"ti_1","depth":1' in (await api.audited("run.triggered"))[0].detail


async def test_a_dag_that_is_only_looked_at_can_not_be_started(api: Api, north: EnrolledAgent, token: str) -> None:
    await _deploy(api, "cleaning")

    answer = await north.call("POST", "/v1/task/runs", token=token, json={"dag": "cleaning"})

    assert answer.json()["code"] == "not_declared"
    assert "triggers=['cleaning']" in answer.json()["detail"]
    assert [(line.object, line.result) for line in await api.audited("run.triggered")] == [("cleaning", "not_declared")]


async def test_a_dag_that_is_not_deployed_can_not_be_started(north: EnrolledAgent, token: str) -> None:
    answer = await north.call("POST", "/v1/task/runs", token=token, json={"dag": "load_all"})

    assert answer.status_code == 404


async def test_parameters_are_checked_before_a_run_is_made(api: Api, north: EnrolledAgent, token: str) -> None:
    await _deploy(api, "load_all")

    answer = await north.call("POST", "/v1/task/runs", token=token, json={"dag": "load_all", "params": {"dya": "x"}})

    assert answer.status_code == 422
    assert "params.dya: unknown parameter; the DAG has day" in answer.text


@on_both_stores
async def test_dags_that_start_each_other_in_a_circle_end(api: Api, north: EnrolledAgent, token: str) -> None:
    await _deploy(api, "load_all")
    deep = update(tables.runs).where(tables.runs.c.id == "run_ti_1").values(depth=DEEPEST)
    await api.database.write(lambda tx: tx.run(deep).close())

    answer = await north.call("POST", "/v1/task/runs", token=token, json={"dag": "load_all"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "32 runs have started one another in a row" in answer.json()["detail"]
    assert [line.result for line in await api.audited("run.triggered")] == ["too_deep"]


async def test_who_waits_for_a_run_is_answered_at_its_end(api: Api, north: EnrolledAgent, token: str) -> None:
    await _deploy(api, "load_all")
    started = (await north.call("POST", "/v1/task/runs", token=token, json={"dag": "load_all"})).json()["run"]["run"]

    async with asyncio.TaskGroup() as together:
        waits = together.create_task(north.call("GET", f"/v1/task/runs/{started}?wait_s=30", token=token))
        await asyncio.sleep(0)
        await api.as_person("POST", f"/v1/teams/default/runs/{started}/cancel", json={})

    assert waits.result().json()["state"] == "cancelled"
