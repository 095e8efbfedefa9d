"""``leasehold-api backup`` and ``restore``: what they refuse, and that nothing half looks whole."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from shutil import copytree

import pytest

from leasehold_api.backups.archive import BackupError, check, new_archive
from leasehold_api.backups.making import make_backup
from leasehold_api.backups.restoring import restore_backup
from leasehold_api.building import open_house
from leasehold_api.config import Settings, SettingsError
from leasehold_api.context.key_files import KeyFiles
from leasehold_api.unfinished_restore import mark, refuse_half

NOW = 1_780_000_000.0
KEPT = ("logs/0a/ti_1.1.log", "blobs/team_1/ab/abcd")
COMMAND = Path(sys.executable).with_name("leasehold-api")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state directory of a service that ran once, with a log and a bundle."""
    state = tmp_path_factory.mktemp("served") / "state"
    asyncio.run(_open_once(Settings(state_dir=state)))
    for name in (*KEPT, "blobs/team_1/incoming/half", "blobs/team_1/ab/.incoming-x"):
        file = state / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() * 1000)
    return state


async def _open_once(settings: Settings) -> None:
    async with open_house(settings):
        pass


@pytest.fixture
def backup(served: Path, tmp_path: Path) -> Path:
    return make_backup(Settings(state_dir=served), tmp_path / "one.backup", now=NOW).path


@pytest.fixture
def place(served: Path, tmp_path: Path) -> Settings:
    """An empty place with the keys."""
    copytree(served / "keys", tmp_path / "new" / "keys")
    return Settings(state_dir=tmp_path / "new")


def test_a_backup_brings_database_and_files_back_and_only_its_user_can_read_them(
    backup: Path, served: Path, place: Settings
) -> None:
    restored = restore_backup(place, backup, nothing_since=False, now=NOW + 60)

    assert restored.files == 2
    for name in KEPT:
        assert (place.state_dir / name).read_bytes() == (served / name).read_bytes()
    assert not (place.state_dir / "blobs/team_1/incoming").exists(), "uploads under way come again"
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (backup, place.state_dir)} == {0}
    with closing(sqlite3.connect(place.state_dir / "leasehold.db")) as database:
        rows = database.execute("SELECT action, actor FROM audit WHERE action = 'service.restored'").fetchall()
    assert rows == [("service.restored", "leasehold-api restore")]


async def test_the_restored_service_opens_what_was_sealed(backup: Path, place: Settings) -> None:
    restore_backup(place, backup, nothing_since=True, now=NOW + 60)

    async with open_house(place) as house:
        assert house.signing_keys.sign({"typ": "test"}, {})


@pytest.mark.parametrize("at", [0.3, 0.9, 0.9999], ids=["early", "late", "at the end"])
def test_a_backup_that_was_cut_off_is_not_restored(backup: Path, place: Settings, at: float) -> None:
    data = backup.read_bytes()
    # A tar archive ends with empty blocks; what counts is before them.
    end = data.rstrip(b"\0")
    backup.write_bytes(end[: int(len(end) * at)])

    with pytest.raises(BackupError, match=r"is not whole|is no backup"):
        restore_backup(place, backup, nothing_since=False, now=NOW + 60)

    assert [each.name for each in place.state_dir.iterdir()] == ["keys"]


@pytest.mark.parametrize("word", [b"SQLite format 3", b"logs/0a/ti_1.1.log" * 3], ids=["database", "log"])
def test_a_backup_with_one_changed_byte_is_not_restored(backup: Path, place: Settings, word: bytes) -> None:
    data = backup.read_bytes()
    assert word in data
    backup.write_bytes(data.replace(word, word[:-1] + b"x", 1))

    with pytest.raises(BackupError, match="is not whole"):
        restore_backup(place, backup, nothing_since=False, now=NOW + 60)


def test_what_is_no_backup_is_named(place: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("no tar archive\n")

    with pytest.raises(BackupError, match=r"other is not whole"):
        restore_backup(place, other, nothing_since=False, now=NOW)


def test_without_its_keys_a_backup_is_not_restored_and_the_files_are_named(backup: Path, tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "keyless")

    with pytest.raises(BackupError, match=r"keyless/keys/key-encryption-key, from where they are kept apart"):
        restore_backup(settings, backup, nothing_since=False, now=NOW + 60)

    assert not settings.state_dir.exists()


def test_a_place_in_use_is_left_alone(backup: Path, served: Path) -> None:
    with pytest.raises(BackupError, match=r"is not empty \(blobs, leasehold.db"):
        restore_backup(Settings(state_dir=served), backup, nothing_since=False, now=NOW + 60)


def test_a_database_of_the_other_kind_is_refused(backup: Path, place: Settings) -> None:
    other = place.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})

    with pytest.raises(BackupError, match="the backup is of an SQLite file: leave database_url unset"):
        restore_backup(other, backup, nothing_since=False, now=NOW + 60)


def test_with_a_clock_before_the_backup_nothing_is_restored(backup: Path, place: Settings) -> None:
    with pytest.raises(BackupError, match="1970-01-01 00:00 UTC, which is before the backup was made: set it right"):
        restore_backup(place, backup, nothing_since=False, now=0)


def test_a_file_that_is_there_is_not_overwritten(backup: Path, served: Path) -> None:
    before = backup.read_bytes()

    with pytest.raises(BackupError, match="is there already"):
        make_backup(Settings(state_dir=served), backup, now=NOW)

    assert backup.read_bytes() == before


@pytest.mark.parametrize("point", ["backup.database-copied", "backup.before-end"])
def test_a_backup_that_is_killed_leaves_nothing_that_looks_whole_and_the_next_one_clears_it_away(
    served: Path, tmp_path: Path, point: str
) -> None:
    argv = [COMMAND, "backup", tmp_path / "one.backup", "--state-dir", served]

    killed = subprocess.run(argv, env={**os.environ, "LEASEHOLD_FAULT_POINT": point}, check=False, timeout=60)

    assert killed.returncode == -9
    left = [each.name for each in tmp_path.iterdir() if each.is_file()]
    assert left == [".one.backup.unfinished"]
    with pytest.raises(BackupError):
        check(tmp_path / left[0])
    again = make_backup(Settings(state_dir=served), tmp_path / "two.backup", now=NOW)
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [again.path.name]


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_archive(tmp_path / "one.backup"):
        raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []


def test_a_restore_that_is_killed_is_never_served(backup: Path, place: Settings, tmp_path: Path) -> None:
    state = place.state_dir
    env = {**os.environ, "LEASEHOLD_FAULT_POINT": "restore.files-written"}

    killed = subprocess.run([COMMAND, "restore", backup, "--state-dir", state], env=env, check=False, timeout=60)

    assert killed.returncode == -9
    for command in (["serve", "--port", "0"], ["backup", tmp_path]):
        said = subprocess.run(
            [COMMAND, *command, "--state-dir", state], capture_output=True, text=True, check=False, timeout=60
        )
        assert said.returncode in {1, 3}, said.stderr
        assert "restore" in said.stderr


def test_half_of_a_restore_is_refused_with_the_cure(tmp_path: Path) -> None:
    refuse_half(tmp_path)
    mark(tmp_path)

    with pytest.raises(SettingsError, match=r"Empty that directory except for keys/"):
        refuse_half(tmp_path)


def test_a_password_of_postgresql_is_in_no_command_line(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\n(echo "$@"; echo "$PGPASSWORD") > "$0.said"\necho it is away >&2\nexit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    settings = Settings(state_dir=served, database_url="postgresql://app:Geheim%21@db.example/app")

    with pytest.raises(BackupError, match="pg_dump failed: it is away"):
        make_backup(settings, tmp_path / "one.backup", now=NOW)

    arguments, password = (tmp_path / "pg_dump.said").read_text().splitlines()
    assert "--dbname=postgresql://app@db.example/app" in arguments
    assert "Geheim" not in arguments
    assert password == "Geheim!"
    assert not (tmp_path / "one.backup").exists()


def test_without_pg_dump_the_message_says_where_it_comes_from(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(state_dir=served, database_url="postgresql://app@db.example/app")

    with pytest.raises(BackupError, match="pg_dump is not installed here: it comes with PostgreSQL's client programs"):
        make_backup(settings, tmp_path / "one.backup", now=NOW)


def test_keys_are_in_no_backup(backup: Path, served: Path) -> None:
    key = KeyFiles.named(Settings(state_dir=served)).path("1").read_bytes().strip()

    assert key not in backup.read_bytes()
    assert (served / "bootstrap.token").read_bytes().strip() not in backup.read_bytes()
