"""Secret references: resolved when an entitled task reads, off unless allowed, never stored, always audited.

Vault answers as its documentation says (respx): https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and
…/secret/databases. No Vault runs here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from leasehold_api.config import SettingsError, load
from leasehold_api.context import references, resolving
from leasehold_api.secret_sources import vault
from leasehold_api.storage import tables
from tests.support.api_server import Api, EnrolledAgent, on_both_stores

VAULT = "https://vault.example"
READ = "/v1/task/connections/plant_db"
KV = {
    "lease_id": "",
    "data": {"data": {"password": "from-vault-1", "port": 5432}, "metadata": {"version": 3, "destroyed": False}},
}
CREDENTIALS = {
    "lease_id": "database/creds/readonly/2f6a614c",
    "lease_duration": 3600,
    "renewable": True,
    "data": {"username": "v-root-readonly-x1", "password": "132ae3ef-5a64"},
}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return the directory of secret files that the settings allow."""
    directory = tmp_path / "secrets"
    directory.mkdir()
    return directory


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch, files: Path, tmp_path: Path) -> None:
    """Allow every kind of reference, before the API starts."""
    (tmp_path / "vault-token").write_text("hvs.first\n")
    monkeypatch.setenv("LEASEHOLD_API_SECRET_ENV_PREFIX", "PLANT_{team}_")
    monkeypatch.setenv("LEASEHOLD_API_SECRET_FILES_DIR", str(files))
    monkeypatch.setenv("LEASEHOLD_API_VAULT_URL", VAULT)
    monkeypatch.setenv("LEASEHOLD_API_VAULT_TOKEN_FILE", str(tmp_path / "vault-token"))
    monkeypatch.setenv("LEASEHOLD_API_VAULT_NAMESPACE", "plants")
    monkeypatch.setenv("LEASEHOLD_API_VAULT_PATHS", '["secret/{team}/", "database/creds/"]')
    monkeypatch.setenv("PLANT_default_DB", "from-env-1")
    monkeypatch.setenv("OTHER", "not-for-tasks")


@pytest.fixture
def vault_server() -> Iterator[respx.Router]:
    """Return a Vault that knows only what a test tells it."""
    with respx.mock(base_url=VAULT, assert_all_called=False) as router:
        yield router


async def _put(api: Api, **fields: Any) -> httpx.Response:
    connection = {"conn_type": "postgres", "sites": ["north"], **fields}
    return await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=connection)


async def _read(api: Api, north: EnrolledAgent, **fields: Any) -> httpx.Response:
    put = await _put(api, **fields)
    assert put.status_code == 201, put.text
    return await north.call("GET", READ, token=await api.lease(north, needs={"connections": ["plant_db"]}))


@on_both_stores
async def test_references_in_any_text_field_are_resolved_for_the_task_and_never_stored(
    api: Api, north: EnrolledAgent, files: Path, vault_server: respx.Router, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    (files / "key").write_text("from-file-1\n")
    route = vault_server.get("/v1/secret/data/default/db").respond(json=KV)
    fields = {
        "host": "db.plant",
        "login": "env:PLANT_default_DB",
        "password": "vault:secret/default/db#password",
        "schema": r"\env:sensors",
        "extra": {"tls": {"keys": [f"file:{files}/key", "vault:secret/default/db#port"]}, "env:name": 1},
    }

    answer = await _read(api, north, **fields)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["host"], body["login"], body["password"]) == ("db.plant", "from-env-1", "from-vault-1")
    assert body["schema"] == "env:sensors"
    assert body["extra"] == {"tls": {"keys": ["from-file-1", "5432"]}, "env:name": 1}
    assert sorted(body["secrets"]) == ["5432", "from-env-1", "from-file-1", "from-vault-1"]
    assert route.call_count == 1  # both of its keys
    sent = route.calls[0].request.headers
    assert (sent["x-vault-token"], sent["x-vault-namespace"]) == ("hvs.first", "plants")
    lines = await api.audited("reference.read")
    assert len(lines) == 4
    assert {(line.actor, line.result) for line in lines} == {("task:ti_1.1", "given")}
    assert json.loads(lines[0].detail)["of"] == "connection plant_db"

    def everything(connection: Any) -> str:
        return "".join(str(connection.execute(select(table)).all()) for table in tables.metadata.sorted_tables)

    seen = await api.read(everything) + caplog.text
    assert [secret for secret in [*body["secrets"][:3], "hvs.first"] if secret in seen] == []


@on_both_stores
async def test_one_lease_of_database_credentials_gives_both_fields_and_can_be_found_again(
    api: Api, north: EnrolledAgent, vault_server: respx.Router
) -> None:
    route = vault_server.get("/v1/database/creds/readonly").respond(json=CREDENTIALS)
    role = "vault:database/creds/readonly"

    answer = await _read(api, north, login=f"{role}#username", password=f"{role}#password")

    assert (answer.json()["login"], answer.json()["password"]) == ("v-root-readonly-x1", "132ae3ef-5a64")
    assert route.call_count == 1
    lines = await api.audited("reference.read")
    assert {json.loads(line.detail)["lease"] for line in lines} == {"database/creds/readonly/2f6a614c"}


async def test_the_vault_token_is_read_again_each_time(
    api: Api, north: EnrolledAgent, vault_server: respx.Router, tmp_path: Path
) -> None:
    route = vault_server.get("/v1/secret/data/default/db").respond(json=KV)
    await _put(api, password="vault:secret/default/db#password")
    token = await api.lease(north, needs={"connections": ["plant_db"]})

    await north.call("GET", READ, token=token)
    (tmp_path / "vault-token").write_text("hvs.second")
    await north.call("GET", READ, token=token)
    (tmp_path / "vault-token").unlink()
    gone = await north.call("GET", READ, token=token)

    assert [call.request.headers["x-vault-token"] for call in route.calls] == ["hvs.first", "hvs.second"]
    assert (gone.status_code, gone.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (404, {"errors": []}, "not_granted"),
        (403, {"errors": ["1 error occurred: permission denied hvs.first"]}, "not_granted"),
        (400, {"errors": ["bad"]}, "not_granted"),
        (200, {"data": {"data": {"another": "key"}, "metadata": {}}}, "not_granted"),
        (200, {"data": {"password": "kv version 1"}}, "unavailable"),
        (200, {"data": {"data": None, "metadata": {"deletion_time": "2026-01-01"}}}, "unavailable"),
        (200, [1], "unavailable"),
        (307, {}, "unavailable"),
        (412, {"errors": ["required index state not present"]}, "unavailable"),
        (429, {}, "unavailable"),
        (500, {"errors": ["internal"]}, "unavailable"),
        (503, {"errors": ["Vault is sealed"]}, "unavailable"),
    ],
)
async def test_what_vault_refuses_is_named_without_a_secret(
    api: Api, north: EnrolledAgent, vault_server: respx.Router, status: int, body: Any, code: str
) -> None:
    elsewhere = {"location": "https://evil.example/"}
    vault_server.get("/v1/secret/data/default/db").respond(
        status, json=body, headers=elsewhere if status == 307 else {}
    )

    answer = await _read(api, north, password="vault:secret/default/db#password")

    assert answer.json()["code"] == code
    assert answer.status_code == (503 if code == "unavailable" else 403)
    assert "connection plant_db refers to vault:secret/default/db#password" in answer.json()["detail"]
    assert "hvs.first" not in answer.text
    assert [line.result for line in await api.audited("reference.read")] == [code]


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ReadTimeout("no"), httpx.RemoteProtocolError("no")])
async def test_a_vault_that_is_away_is_for_later(
    api: Api, north: EnrolledAgent, vault_server: respx.Router, error: Exception
) -> None:
    vault_server.get("/v1/secret/data/default/db").mock(side_effect=error)

    answer = await _read(api, north, password="vault:secret/default/db#password")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "Vault does not answer" in answer.json()["detail"]


@pytest.mark.parametrize(("module", "name"), [(vault, "TIMEOUT_S"), (resolving, "LONGEST_S")])
async def test_a_vault_that_hangs_is_not_waited_for(
    api: Api, north: EnrolledAgent, vault_server: respx.Router, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    import asyncio

    async def hang(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(module, name, 0.05)
    vault_server.get("/v1/secret/data/default/db").mock(side_effect=hang)

    answer = await _read(api, north, password="vault:secret/default/db#password")

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


async def test_a_lease_that_ended_while_vault_was_asked_gets_nothing(
    api: Api, north: EnrolledAgent, vault_server: respx.Router
) -> None:
    async def lose(_request: httpx.Request) -> httpx.Response:
        await api.database.write(lambda tx: tx.run(update(tables.task_instances).values(epoch=2)).close())
        return httpx.Response(200, json=KV)

    vault_server.get("/v1/secret/data/default/db").mock(side_effect=lose)

    answer = await _read(api, north, password="vault:secret/default/db#password")

    assert (answer.status_code, answer.json()["code"]) == (409, "lease_lost")
    assert "from-vault-1" not in answer.text
    assert [line.result for line in await api.audited("reference.read")] == ["lease_lost"]


@pytest.mark.parametrize(
    "text",
    [
        "env:OTHER",
        "env:PLANT_rivals_DB",
        "env:PLANT_default_GONE",
        "vault:secret/rivals/db#password",
        "vault:sys/auth#x",
        "file:{files}/gone",
        "file:{files}",
        "file:{files}/../outside",
        "file:{files}/link-out",
        "file:{files}/pipe",
        "file:{files}/binary",
        "file:{files}/huge",
        "file:/proc/self/environ",
    ],
)
async def test_what_is_not_allowed_or_not_there_is_refused(
    api: Api, north: EnrolledAgent, vault_server: respx.Router, files: Path, text: str
) -> None:
    import os

    (files.parent / "outside").write_text("not-for-tasks")
    (files / "link-out").symlink_to(files.parent / "outside")
    os.mkfifo(files / "pipe")
    (files / "binary").write_bytes(b"\xff\xfe")
    (files / "huge").write_bytes(b"x" * 70_000)
    text = text.format(files=files)

    answer = await _read(api, north, password=text)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_granted"), answer.text
    assert text in answer.json()["detail"]
    assert "not-for-tasks" not in answer.text
    assert not vault_server.calls
    assert [(line.object, line.result) for line in await api.audited("reference.read")] == [(text, "not_granted")]


async def test_a_link_inside_the_directory_is_followed(api: Api, north: EnrolledAgent, files: Path) -> None:
    (files / "..data").mkdir()
    (files / "..data" / "key").write_text("from-file-2")
    (files / "key").symlink_to("..data/key")  # as Kubernetes mounts secrets

    answer = await _read(api, north, password=f"file:{files}/key")

    assert answer.json()["password"] == "from-file-2"


async def test_nobody_who_is_not_entitled_makes_the_api_look(
    api: Api, north: EnrolledAgent, vault_server: respx.Router
) -> None:
    await _put(api, password="vault:secret/default/db#password")

    answer = await north.call("GET", READ, token=await api.lease(north))

    assert answer.json()["code"] == "not_declared"
    assert not vault_server.calls


async def test_people_see_where_a_secret_is_and_not_the_secret(api: Api, north: EnrolledAgent) -> None:
    await _put(api, login="env:PLANT_default_DB", password="env:PLANT_default_DB")
    await api.as_person("PUT", "/v1/teams/default/variables/limit", json={"value": "env:PLANT_default_DB"})

    connection = await api.as_person("GET", "/v1/teams/default/connections/plant_db")
    variable = await api.as_person("GET", "/v1/teams/default/variables/limit")

    assert connection.json()["login"] == variable.json()["value"] == "env:PLANT_default_DB"


@on_both_stores
async def test_a_variable_may_refer_and_an_admin_sets_it(api: Api, north: EnrolledAgent) -> None:
    path = "/v1/teams/default/variables/limit"
    body = {"value": {"keys": ["env:PLANT_default_DB", r"\\env:x"]}}
    by_role = {
        role: await api.as_person("PUT", path, token=await api.make_api_token(role), json=body)
        for role in ("author", "operator", "admin")
    }
    token = await api.lease(north, variables=["limit"])

    answer = await north.call("GET", "/v1/task/variables/limit", token=token)

    assert {role: put.status_code for role, put in by_role.items()} == {"author": 403, "operator": 403, "admin": 201}
    assert "admin" in by_role["author"].json()["detail"]
    assert answer.json()["value"] == {"keys": ["from-env-1", r"\env:x"]}
    assert answer.json()["secrets"] == ["from-env-1"]


@pytest.mark.parametrize("value", ["env:PLANT_default_DB", r"\env:x", ["vault:secret/default/db#password"], "env:"])
async def test_what_a_task_writes_is_never_a_reference(
    api: Api, north: EnrolledAgent, vault_server: respx.Router, value: Any
) -> None:
    token = await api.lease(north, variables=["limit"])
    path = "/v1/task/variables/limit"

    written = await north.call("PUT", path, token=token, json={"value": value})
    read = await north.call("GET", path, token=token)

    assert written.status_code == 204
    assert (read.json()["value"], read.json()["secrets"]) == (value, [])
    assert not vault_server.calls


@pytest.mark.parametrize(
    "text",
    [
        "env:",
        "env:hunter two",
        "env:A=B",
        "file:relative",
        "file:///data",
        "file:/",
        "vault:secret#k",
        "vault:secret/db",
        "vault:secret/db#",
        "vault:secret/../sys#k",
        "vault:/secret/db#k",
        "vault:secret//db#k",
        "vault:database/creds/role#lease",
        "vault:secret/db#a#b",
        "env:A\n",
        "env:" + "A" * 2000,
    ],
)
async def test_what_only_looks_like_a_reference_is_refused_when_it_is_set(
    api: Api, north: EnrolledAgent, text: str
) -> None:
    connection = await _put(api, extra={"deep": [text]})
    variable = await api.as_person("PUT", "/v1/teams/default/variables/limit", json={"value": text})

    assert [answer.status_code for answer in (connection, variable)] == [422, 422]
    assert "backslash" in connection.json()["detail"]
    assert "hunter" not in connection.text


@given(st.text(alphabet="\\env:fileault/#a\n", max_size=30))
def test_every_text_can_be_said(text: str) -> None:
    stored = references.escaped(text)

    assert not references.is_reference(stored)
    assert references.written(stored) == text


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=20))
def test_a_value_without_references_stays_as_it_is(value: Any) -> None:
    assert references.replaced(references.replaced(value, references.escaped), references.written) == value


def test_a_value_nested_very_deeply_is_no_trouble() -> None:
    value: Any = "env:PLANT"
    for _ in range(900):
        value = [value]

    assert list(references.references_in(value)) == []
    assert references.replaced(value, references.escaped) == value


@pytest.mark.parametrize(
    "wrong",
    [{"vault_url": VAULT}, {"vault_url": "http://vault.example"}, {"secret_env_prefix": ""}],
)
def test_settings_that_do_not_fit_are_named(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]) -> None:
    for name in ("VAULT_URL", "VAULT_TOKEN_FILE"):
        monkeypatch.delenv(f"LEASEHOLD_API_{name}")

    with pytest.raises(SettingsError, match="|".join(wrong)) as refused:
        load({**wrong, "database_url": "postgresql://user:hunter2@db/leasehold"})

    assert "hunter2" not in str(refused.value)
