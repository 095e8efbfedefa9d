"""What a running task is given: what it declared, its site was granted, and only while its lease runs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from leasehold_api.storage import tables
from tests.support.api_server import Api, EnrolledAgent, on_both_stores

PASSWORD = "correct-horse-battery"
PLANT_DB = {
    "conn_type": "postgres",
    "host": "db.plant",
    "login": "reader",
    "password": PASSWORD,
    "port": 5432,
    "schema": "sensors",
    "extra": {"sslkey": "hidden-in-extra"},
    "sites": ["north"],
}
READ = "/v1/task/connections/plant_db"


@pytest.fixture
async def plant_db(api: Api, north: EnrolledAgent) -> None:
    """Set the connection plant_db, for the site north."""
    await _put(api, PLANT_DB)


async def _put(api: Api, connection: dict[str, Any]) -> httpx.Response:
    return await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=connection)


async def _change(api: Api, **values: Any) -> None:
    statement = update(tables.task_instances).values(**values)
    await api.database.write(lambda tx: tx.run(statement).close())


@on_both_stores
@pytest.mark.usefixtures("plant_db")
async def test_a_task_gets_the_connection_it_declared(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, needs={"connections": ["plant_db"]})

    answer = await north.call("GET", READ, token=token)

    assert answer.status_code == 200, answer.text
    assert answer.json() == {key: value for key, value in PLANT_DB.items() if key != "sites"} | {
        "id": "plant_db",
        "description": "",
        "secrets": [],
    }
    assert answer.headers["cache-control"] == "no-store"
    line = (await api.audited("connection.read"))[0]
    assert (line.actor, line.object, line.result) == ("task:ti_1.1", "plant_db", "given")
    assert PASSWORD not in str(line)


@pytest.mark.usefixtures("plant_db")
async def test_a_task_that_did_not_declare_it_is_told_what_to_add(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north)

    answer = await north.call("GET", READ, token=token)

    assert answer.status_code == 403
    assert answer.json()["code"] == "not_declared"
    assert "connections=['plant_db']" in answer.json()["detail"]
    assert (await api.audited("connection.read"))[0].result == "not_declared"


@pytest.mark.usefixtures("plant_db")
async def test_a_site_that_was_not_granted_it_is_told_so(api: Api, north: EnrolledAgent) -> None:
    await api.make_site("south")
    south = await api.enrol("south")
    token = await api.lease(south, needs={"connections": ["plant_db"]})

    answer = await south.call("GET", READ, token=token)

    assert answer.json()["code"] == "not_granted"


@pytest.mark.usefixtures("plant_db")
async def test_a_grant_that_was_taken_back_ends_at_once(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, needs={"connections": ["plant_db"]})
    before = await north.call("GET", READ, token=token)
    await _put(api, PLANT_DB | {"sites": []})

    after = await north.call("GET", READ, token=token)

    assert before.status_code == 200
    assert after.json()["code"] == "not_granted"
    assert PASSWORD not in after.text


@pytest.mark.usefixtures("plant_db")
async def test_a_connection_that_was_removed_is_not_found(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, needs={"connections": ["plant_db"]})
    await api.as_person("DELETE", "/v1/teams/default/connections/plant_db")

    answer = await north.call("GET", READ, token=token)

    assert answer.status_code == 404


@pytest.mark.parametrize("change", [{"epoch": 2}, {"state": "success"}, {"agent_id": "agt_another"}])
@pytest.mark.usefixtures("plant_db")
async def test_an_attempt_that_lost_its_lease_gets_nothing(
    api: Api, north: EnrolledAgent, change: dict[str, Any]
) -> None:
    token = await api.lease(north, needs={"connections": ["plant_db"]}, variables=["limit"])
    await _change(api, **change)

    answers = [
        await north.call("GET", READ, token=token),
        await north.call("GET", "/v1/task/variables/limit", token=token),
        await north.call("PUT", "/v1/task/variables/limit", token=token, json={"value": 1}),
        await north.call("DELETE", "/v1/task/variables/limit", token=token),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "lease_lost")] * 4


@pytest.mark.usefixtures("plant_db")
async def test_an_access_token_opens_no_task_route(north: EnrolledAgent) -> None:
    answer = await north.call("GET", READ)

    assert answer.status_code == 401


@pytest.mark.usefixtures("plant_db")
async def test_another_agents_key_can_not_use_a_task_token(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, needs={"connections": ["plant_db"]})
    other = await api.enrol("north", name="north-2")

    answer = await other.call("GET", READ, token=token)

    assert answer.status_code == 401
    assert answer.json()["code"] == "dpop_invalid"


@pytest.mark.parametrize("value", [3.5, None, "text", [1, {"a": None}], {"deep": {"er": "é"}}])
async def test_a_task_writes_reads_and_removes_a_variable(api: Api, north: EnrolledAgent, value: Any) -> None:
    token = await api.lease(north, variables=["plant/limit:high"])
    path = "/v1/task/variables/plant/limit:high"

    missing = await north.call("GET", path, token=token)
    written = await north.call("PUT", path, token=token, json={"value": value})
    read = await north.call("GET", path, token=token)
    removed = await north.call("DELETE", path, token=token)
    again = await north.call("DELETE", path, token=token)

    assert [answer.status_code for answer in (missing, written, read, removed, again)] == [404, 204, 200, 204, 404]
    assert read.json() == {"key": "plant/limit:high", "value": value, "secrets": []}
    assert read.headers["cache-control"] == "no-store"


async def test_a_task_sees_no_variable_that_it_did_not_declare(api: Api, north: EnrolledAgent) -> None:
    await api.as_person("PUT", "/v1/teams/default/variables/limit", json={"value": 7})
    token = await api.lease(north, variables=["limit2"])

    read = await north.call("GET", "/v1/task/variables/limit", token=token)
    write = await north.call("PUT", "/v1/task/variables/limit", token=token, json={"value": 8})

    assert [answer.json()["code"] for answer in (read, write)] == ["not_declared"] * 2
    shown = await api.as_person("GET", "/v1/teams/default/variables/limit")
    assert shown.json()["value"] == 7


async def test_the_same_name_in_another_team_is_another_variable(api: Api, north: EnrolledAgent) -> None:
    await api.make_team("rivals")
    await api.as_person("PUT", "/v1/teams/rivals/variables/limit", json={"value": "theirs"})
    token = await api.lease(north, variables=["limit"])

    answer = await north.call("GET", "/v1/task/variables/limit", token=token)

    assert answer.status_code == 404


@pytest.mark.usefixtures("plant_db")
async def test_people_never_see_a_connections_secrets(api: Api) -> None:
    listed = await api.as_person("GET", "/v1/teams/default/connections")
    shown = await api.as_person("GET", "/v1/teams/default/connections/plant_db")
    put = await _put(api, PLANT_DB)

    for answer in (listed, shown, put):
        assert PASSWORD not in answer.text
        assert "hidden-in-extra" not in answer.text
    body = shown.json()
    assert (body["has_password"], body["extra_keys"], body["schema"]) == (True, ["sslkey"], "sensors")
    assert body["sites"] == ["north"]


@pytest.mark.usefixtures("plant_db")
async def test_nothing_secret_is_in_the_database_or_the_log(
    api: Api, north: EnrolledAgent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = await api.lease(north, needs={"connections": ["plant_db"]}, variables=["limit"])
    await north.call("GET", READ, token=token)
    await north.call("PUT", "/v1/task/variables/limit", token=token, json={"value": "hush-hush"})

    def everything(connection: Any) -> str:
        return "".join(str(connection.execute(select(table)).all()) for table in tables.metadata.sorted_tables)

    stored = await api.read(everything)
    secrets = [PASSWORD, "hidden-in-extra", "hush-hush", token, north.token, api.admin_token.partition(".")[2]]
    assert [secret for secret in secrets if secret in stored + caplog.text] == []


async def test_a_connection_for_a_site_that_is_not_there_is_refused_whole(api: Api, north: EnrolledAgent) -> None:
    answer = await _put(api, PLANT_DB | {"sites": ["north", "nowhere"]})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "sites"
    assert "nowhere" in answer.json()["detail"]
    assert PASSWORD not in answer.text
    assert (await api.as_person("GET", "/v1/teams/default/connections")).json()["items"] == []


@pytest.mark.parametrize("wrong", [{"port": 70000}, {"conn_type": "a b"}, {"extra": "text"}, {"password": 7}])
async def test_a_connection_that_does_not_fit_is_refused_without_repeating_secrets(
    api: Api, north: EnrolledAgent, wrong: dict[str, Any]
) -> None:
    answer = await _put(api, PLANT_DB | wrong)

    assert answer.status_code == 422
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(("role", "sees"), [("viewer", False), ("author", False), ("operator", True), ("admin", True)])
async def test_a_variables_value_is_shown_to_operators_and_admins(api: Api, role: str, sees: bool) -> None:
    await api.as_person("PUT", "/v1/teams/default/variables/limit", json={"value": "hush"})
    token = await api.make_api_token(role)

    listed = await api.as_person("GET", "/v1/teams/default/variables", token=token)
    shown = await api.as_person("GET", "/v1/teams/default/variables/limit", token=token)

    assert ("hush" in listed.text) == ("hush" in shown.text) == sees


@on_both_stores
async def test_a_variable_is_set_changed_and_removed(api: Api) -> None:
    path = "/v1/teams/default/variables/plant/limit"

    answers = [
        await api.as_person("PUT", path, json={"value": 1}),
        await api.as_person("PUT", path, json={"value": 2}),
        await api.as_person("DELETE", path),
        await api.as_person("DELETE", path),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 204, 404]
    assert [line.action for line in await _variable_lines(api)] == [
        "variable.created",
        "variable.changed",
        "variable.deleted",
    ]


async def _variable_lines(api: Api) -> list[Any]:
    query = select(tables.audit).where(tables.audit.c.object == "plant/limit").order_by(tables.audit.c.id)
    return list(await api.read(lambda connection: connection.execute(query).all()))
