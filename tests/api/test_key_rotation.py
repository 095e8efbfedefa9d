"""Rotating the key-encryption key: a running API follows, every secret stays readable, an old key goes when unused."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from typer.testing import CliRunner, Result

from leasehold_api.cli import app
from leasehold_api.config import SettingsError
from leasehold_api.context.key_files import FileSealer, KeyFiles
from leasehold_api.context.sealing import kek_id_of
from leasehold_api.storage import tables
from tests.support.api_server import Api, EnrolledAgent, on_both_stores, open_api

PASSWORD = "correct-horse-battery"
PLANT_DB = {"conn_type": "postgres", "password": PASSWORD, "sites": ["north"]}
READ = "/v1/task/connections/plant_db"
FEW = 450  # more than two batches of rows


def _keys(api: Api, *arguments: str) -> Result:
    settings = api.house.settings
    places = ["--state-dir", str(settings.state_dir)]
    if settings.database_url is not None:
        places += ["--database-url", settings.database_url]
    return CliRunner().invoke(app, ["keys", *arguments, *places])


def _listed(api: Api) -> dict[str, dict[str, Any]]:
    return {key["id"]: key for key in json.loads(_keys(api, "list", "--json").stdout)}


async def _fill(api: Api) -> None:
    await api.make_site("north")
    answer = await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=PLANT_DB)
    assert answer.status_code == 201, answer.text
    for number in range(3):
        await api.as_person("PUT", f"/v1/teams/default/variables/plant/limit{number}", json={"value": number})


async def _sealed(api: Api) -> dict[str, bytes]:
    def read(connection: Any) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for query in (
            select(tables.connections.c.name, tables.connections.c.sealed),
            select(tables.variables.c.key, tables.variables.c.sealed),
            select(tables.signing_keys.c.kid, tables.signing_keys.c.sealed_private_jwk),
        ):
            found |= {name: bytes(sealed) for name, sealed in connection.execute(query)}
        return found

    return await api.read(read)


def _age(api: Api) -> None:
    """Make every key file an hour older."""
    for path in (api.house.settings.state_dir / "keys").iterdir():
        changed = path.stat().st_mtime - 3600
        os.utime(path, (changed, changed))


@on_both_stores
async def test_a_whole_rotation_while_the_api_runs(api: Api, north: EnrolledAgent) -> None:
    await _fill(api)
    before = await _sealed(api)
    token = await api.lease(north, needs={"connections": ["plant_db"]}, variables=["plant/limit1"])

    assert _keys(api, "rotate").exit_code == 0
    between = await api.as_person("PUT", "/v1/teams/default/variables/late", json={"value": "sealed with the new key"})
    rewrapped = json.loads(_keys(api, "rewrap", "--json").stdout)

    assert between.status_code == 201
    assert rewrapped == {"active": "2", "seen": 6, "rewrapped": 5, "damaged": []}
    after = await _sealed(api)
    assert {kek_id_of(sealed) for sealed in after.values()} == {"2"}
    assert all(after[name][-28:] == sealed[-28:] for name, sealed in before.items())  # end of ciphertext, and tag
    assert (await north.call("GET", READ, token=token)).json()["password"] == PASSWORD
    assert (await north.call("GET", "/v1/task/variables/plant/limit1", token=token)).json()["value"] == 1
    assert [line.object for line in await api.audited("kek.made")] == ["2"]
    lines = await api.audited("kek.rewrapped")
    assert sum(json.loads(line.detail)["values"] for line in lines) == 5

    _age(api)
    removed = _keys(api, "remove", "1")

    assert removed.exit_code == 0, removed.output
    assert list(_listed(api)) == ["2"]
    assert (await north.call("GET", READ, token=token)).json()["password"] == PASSWORD
    assert len(await api.audited("kek.removed")) == 1


async def test_after_a_restart_only_the_new_key_is_needed(api: Api, tmp_path: Path) -> None:
    await _fill(api)
    _keys(api, "rotate")
    _keys(api, "rewrap")
    _age(api)
    _keys(api, "remove", "1")

    async with open_api(api.house.settings.state_dir) as again:
        shown = await again.as_person("GET", "/v1/teams/default/variables/plant/limit2")

        assert shown.json()["value"] == 2


async def test_what_another_process_sealed_with_a_newer_key_opens_at_once(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "key")
    files.add()
    ours, theirs = FileSealer(files), FileSealer(files)
    files.add()

    sealed = theirs.seal(b"secret", identity="a")

    assert kek_id_of(sealed) == "2"
    assert ours.open(sealed, identity="a") == b"secret"


async def test_many_rows_are_rewrapped_in_batches_and_an_interrupted_pass_goes_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealer = FileSealer(KeyFiles.of(api.house.settings))
    team = await api.read(lambda connection: connection.execute(select(tables.teams.c.id)).scalar_one())
    rows = [
        {"team_id": team, "key": f"k{number}", "updated_at": 0.0, "updated_by": "test"}
        | {"sealed": sealer.seal(b"1", identity=f"variable:{team}:k{number}")}
        for number in range(FEW)
    ]
    await api.database.write(lambda tx: tx.run(tables.variables.insert(), rows).close())
    _keys(api, "rotate")
    statement = update(tables.variables).where(tables.variables.c.key == "k5").values(sealed=b"damaged")
    await api.database.write(lambda tx: tx.run(statement).close())

    first = _keys(api, "rewrap", "--json")
    second = json.loads(_keys(api, "rewrap", "--json").stdout)

    told = json.loads(first.stdout)
    assert (first.exit_code, told["seen"], told["rewrapped"]) == (1, FEW + 1, FEW)
    assert "could not be opened" in first.stderr
    assert (second["rewrapped"], len(second["damaged"])) == (0, 1)


async def test_a_value_that_is_written_meanwhile_is_not_overwritten(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from leasehold_api.storage.sql_sealed import SqlSealedRows

    await _fill(api)
    _keys(api, "rotate")
    newer = FileSealer(KeyFiles.of(api.house.settings))
    replace = SqlSealedRows.replace

    def overtaken(self: SqlSealedRows, changed: Any, *, kek_id: str) -> int:
        with self._engine.begin() as connection:
            for row, _ in changed:
                if row.identity.endswith("limit1"):
                    sealed = newer.seal(b'"newer"', identity=row.identity)
                    here = tables.variables.c.key == "plant/limit1"
                    connection.execute(update(tables.variables).where(here).values(sealed=sealed))
        return replace(self, changed, kek_id=kek_id)

    monkeypatch.setattr(SqlSealedRows, "replace", overtaken)
    _keys(api, "rewrap")

    shown = await api.as_person("GET", "/v1/teams/default/variables/plant/limit1")
    assert shown.json()["value"] == "newer"


@pytest.mark.parametrize(
    ("key", "age", "why"),
    [("2", True, "active"), ("1", True, "still seals"), ("1", False, "less than"), ("9", True, "no key")],
)
async def test_a_key_that_is_needed_is_not_removed(api: Api, key: str, age: bool, why: str) -> None:
    await _fill(api)
    _keys(api, "rotate")
    if age:
        _age(api)

    refused = _keys(api, "remove", key)

    assert refused.exit_code != 0
    assert why in refused.stderr
    assert list(_listed(api)) == ["1", "2"]


async def test_a_list_says_what_each_key_seals_and_what_is_missing(api: Api) -> None:
    await _fill(api)
    _keys(api, "rotate")
    (api.house.settings.state_dir / "keys" / "key-encryption-key").unlink()

    listed = _listed(api)

    assert listed["1"]["state"] == "missing"
    assert listed["1"]["seals"] == {"connections": 1, "variables": 3, "signing_keys": 1}
    assert listed["2"]["state"] == "active"
    assert "missing" in _keys(api, "list").stdout


def test_key_files_are_private_numbered_and_never_replaced(tmp_path: Path) -> None:
    files = KeyFiles(tmp_path / "kek")
    for name in ("kek.02", "kek.x", "kek.5.bak", ".kek.7", "kek.²"):
        (tmp_path / name).write_text("not ours")

    made = [files.add() for _ in range(11)]

    assert made == files.ids() == [str(number) for number in range(1, 12)]
    assert stat.S_IMODE(files.path("11").stat().st_mode) == 0o600
    assert len({files.path(kek_id).read_bytes() for kek_id in made}) == 11


@pytest.mark.parametrize("content", ["", "c2hvcnQ=", "\0\0", "é"])
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "kek").write_text(content)

    with pytest.raises(SettingsError, match=r"kek"):
        FileSealer(KeyFiles(tmp_path / "kek"))


def test_a_key_file_that_is_set_and_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="given"):
        FileSealer(KeyFiles(tmp_path / "given"))


def test_a_mistyped_state_directory_is_not_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["keys", "rotate", "--state-dir", str(tmp_path / "typo")])

    assert result.exit_code == 3
    assert not (tmp_path / "typo").exists()
