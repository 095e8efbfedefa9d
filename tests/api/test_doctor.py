"""``leasehold-api doctor``: each thing that can be wrong is found, with its cure, and looking changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree, which

import pytest

from leasehold_api.building import open_house
from leasehold_api.config import Settings
from leasehold_api.context.key_files import KeyFiles
from leasehold_api.doctor.database import check_database
from leasehold_api.doctor.disk import check_disk
from leasehold_api.doctor.examination import examine
from leasehold_api.doctor.keys import check_key_files, check_signing_keys
from leasehold_api.doctor.machine import check_clock
from leasehold_api.storage.database import make_engine
from leasehold_api.storage.migrate import migrate
from leasehold_protocol.findings import Finding, Verdict
from tests.support.databases import FRESH, fresh_postgresql

COMMAND = Path(sys.executable).with_name("leasehold-api")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a service that ran once."""
    state = tmp_path_factory.mktemp("served") / "state"
    asyncio.run(_open_once(Settings(state_dir=state)))
    return state


async def _open_once(settings: Settings) -> None:
    async with open_house(settings):
        pass


@pytest.fixture
def settings(served: Path, tmp_path: Path) -> Settings:
    """A copy of it, to break."""
    copytree(served, tmp_path / "state")
    return Settings(state_dir=tmp_path / "state", port=1)


def found(settings: Settings) -> dict[str, Finding]:
    """Return what the doctor finds, by what was looked at."""
    return {finding.check: finding for finding in examine(settings, is_patient=False)}


def test_of_a_service_that_does_not_run_everything_but_the_way_to_it_is_well(settings: Settings) -> None:
    all_of_it = found(settings)

    bad = {name: one for name, one in all_of_it.items() if one.verdict is not Verdict.OK}
    assert set(bad) == {"way"}
    assert "nothing answers at http://127.0.0.1:1" in bad["way"].text
    assert "Start leasehold-api" in bad["way"].cure


def test_looking_makes_and_changes_nothing(settings: Settings) -> None:
    def seen() -> dict[str, bytes]:
        files = [each for each in settings.state_dir.rglob("*") if each.is_file()]
        return {str(each): each.read_bytes() for each in files if not each.name.endswith(("-shm", "-wal"))}

    before = seen()

    found(settings)

    assert seen() == before
    empty = settings.state_dir.parent / "none"
    assert [one.verdict for one in examine(Settings(state_dir=empty), is_patient=False)] == [Verdict.PROBLEM]
    assert not empty.exists()


def test_an_empty_state_directory_gets_no_database_and_no_key(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    all_of_it = found(Settings(state_dir=tmp_path, port=1))

    assert {"database", "key files"} <= {name for name, one in all_of_it.items() if one.verdict is Verdict.PROBLEM}
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_vanished_is_named_with_what_it_means(settings: Settings) -> None:
    KeyFiles.named(settings).path("1").unlink()

    finding = found(settings)["key files"]

    assert "key-encryption-key can't be read" in finding.text
    assert "Bring the file back" in finding.cure


def test_a_key_that_something_needs_and_nobody_has_is_found(settings: Settings) -> None:
    files = KeyFiles.named(settings)
    files.add()
    files.remove("1")
    report = check_key_files(settings)
    assert report.sealer is None or report.ids == ["2"]

    key = KeyFiles.named(settings).path("2").read_bytes()
    KeyFiles.named(settings).path("1").write_bytes(key)
    report = check_key_files(settings)
    assert report.sealer is not None
    (_, signing) = list(check_signing_keys(settings.database(), report.ids, report.sealer))

    assert signing.verdict is Verdict.PROBLEM
    assert "the active signing key can't be opened" in signing.text


def test_a_key_that_others_may_read_and_one_that_is_not_random_are_found(settings: Settings) -> None:
    path = KeyFiles.named(settings).path("1")
    path.chmod(0o644)
    (readable,) = check_key_files(settings).findings
    path.write_bytes(urlsafe_b64encode(b"leasehold" * 3 + b"aaaaa"))
    path.chmod(0o600)
    (silly,) = check_key_files(settings).findings

    assert "other users may read" in readable.text
    assert "chmod 600" in readable.cure
    assert "is not random" in silly.text
    assert "keys rotate" in silly.cure


@pytest.fixture(params=sorted(FRESH))
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with FRESH[request.param]() as url:
        engine = make_engine(url)
        engine.connect().close()
        engine.dispose()
        yield url


def test_an_empty_an_old_and_a_newer_schema_are_told_apart(database_url: str, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, database_url=database_url)
    engine = make_engine(database_url)

    def schema(version: str | None) -> str:
        if version is not None:
            with engine.begin() as connection:
                connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{version}'")
        report = check_database(settings)
        assert not report.is_current
        return report.findings[-1].text + report.findings[-1].cure

    empty = schema(None)
    migrate(engine)
    fine = check_database(settings)
    old, newer = schema("0001"), schema("9999")
    engine.dispose()

    assert "the database is empty" in empty
    assert fine.is_current
    assert "the schema is 0001" in old
    assert "leasehold-api migrate" in old
    assert "schema 9999 is of a newer version" in newer


def test_a_database_that_can_not_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, database_url="postgresql://app:Geheim@127.0.0.1:1/app")

    (finding,) = check_database(settings).findings

    assert finding.verdict is Verdict.PROBLEM
    assert "the database can't be used" in finding.text
    assert "Geheim" not in finding.text + finding.cure


def test_the_database_servers_clock_is_compared(tmp_path: Path) -> None:
    with fresh_postgresql() as url:
        settings = Settings(state_dir=tmp_path, database_url=url)
        report = check_database(settings)

    assert report.ahead_s is not None
    assert abs(report.ahead_s) < 60
    report.ahead_s = -3600
    (finding,) = check_clock(settings, report)
    assert finding.verdict is Verdict.WARNING
    assert "3600 s apart" in finding.text


def test_rows_from_the_future_mean_that_the_clock_is_wrong(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.state_dir / "leasehold.db")) as database:
        database.execute(
            "INSERT INTO audit (id, at, actor, action, object, result) VALUES ('x', 4e9, 'a', 'b', 'c', 'd')"
        )
        database.commit()

    (finding,) = check_clock(settings, check_database(settings))

    assert finding.verdict is Verdict.PROBLEM
    assert "the newest row is from 2096" in finding.text


@pytest.mark.skipif(which("faketime") is None, reason="faketime is not installed")
def test_a_clock_in_1970_is_found(settings: Settings) -> None:
    argv = ["faketime", "@100000", COMMAND, "doctor", "--json", "--state-dir", settings.state_dir]

    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 1
    (clock,) = [finding for finding in json.loads(done.stdout) if finding["check"] == "clock"]
    assert "the clock says 1970-01-02" in clock["text"]
    assert "timedatectl" in clock["cure"]


def test_a_state_directory_that_others_may_look_into_is_found(settings: Settings) -> None:
    settings.state_dir.chmod(0o755)

    finding = {one.check: one for one in check_disk(settings.state_dir)}["permissions"]

    assert f"chmod 700 {settings.state_dir}" in finding.cure


def test_settings_that_can_not_be_used_are_the_first_finding(tmp_path: Path) -> None:
    env = {**os.environ, "LEASEHOLD_API_PORT": "many"}

    done = subprocess.run(
        [COMMAND, "doctor", "--state-dir", tmp_path], env=env, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stdout.startswith("problem  settings")
    assert "1 problem, no warnings." in done.stdout
