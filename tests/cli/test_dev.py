"""``leasehold dev``: the real engine on this machine for one file, again with every save, and nothing left of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold.cli.dev import house
from leasehold.cli.dev.house import find_programs
from leasehold.cli.dev.values import connection, read_values, variable
from leasehold.cli.dev.watching import Saves
from leasehold.cli.errors import WrongInputError
from tests.system.place import environment
from tests.system.programs import PATIENCE_S, Program, until

COMMAND = str(Path(sys.executable).parent / "leasehold")
DAG = """\
from leasehold import Connection, Variable, dag, task
from words import GREETING

@task(connections=["plant_db"], variables=["limit"])
def greet(who: str) -> str:
    print(GREETING, who, Connection.get("plant_db").host, Variable.get("limit"))
    if who == "nobody":
        raise ValueError("nobody is there")
    return who

@dag
def greeting(who: str = "world"):
    greet(who)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "greeting.py").write_text(DAG)
    (tmp_path / "words.py").write_text('GREETING = "hello"\n')
    (tmp_path / "leasehold.dev.toml").write_text('[connections]\nplant_db = "postgres://db.local/plant"\n')
    return tmp_path


def env(folder: Path) -> dict[str, str]:
    return environment(folder) | {"LEASEHOLD_VAR_LIMIT": "7", "TMPDIR": str(folder)}


def dev(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "dev", "greeting.py", *flags]
    return subprocess.run(command, cwd=folder, env=env(folder), capture_output=True, text=True, timeout=PATIENCE_S)


def test_once_runs_the_file_and_ends_as_its_run_did(folder: Path) -> None:
    good = dev(folder, "--once", "--param", "who=you")
    bad = dev(folder, "--once", "--param", "who=nobody")

    assert (good.returncode, bad.returncode) == (0, 1), good.stdout + good.stderr
    assert "hello you db.local 7" in good.stdout
    assert "nobody is there" in bad.stdout + bad.stderr
    assert list(folder.glob("leasehold-dev-*")) == [], "nothing is left"


@pytest.fixture
def working(folder: Path) -> Iterator[Program]:
    program = Program("dev", [COMMAND, "dev", "greeting.py"], log=folder / "log", env=env(folder), cwd=folder)
    yield program
    program.terminate()
    program.ended()


def test_a_save_of_what_it_imports_runs_it_again_and_a_mistake_is_shown_with_its_place(
    working: Program, folder: Path
) -> None:
    until(lambda: "hello world" in working.said(), "the first run")

    (folder / "words.py").write_text('GREETING = "good morning"\n')
    until(lambda: "good morning world" in working.said(), "the second run")
    (folder / "greeting.py").write_text(DAG + "def broken(:\n")
    until(lambda: re.search(r"greeting.py:\d+:\d+: syntax error", working.said()), "the mistake")
    (folder / "greeting.py").write_text(DAG.replace('"world"', '"moon"'))
    until(lambda: "good morning moon" in working.said(), "the third run")
    os.kill(working.pid, signal.SIGINT)

    assert working.ended() == 130
    assert list(folder.glob("leasehold-dev-*")) == [], "nothing is left"


def test_a_file_with_mistakes_fails_once(folder: Path) -> None:
    (folder / "greeting.py").write_text("def broken(:")

    done = dev(folder, "--once")

    assert done.returncode == 1
    assert "greeting.py:1:12: syntax error" in done.stderr


def test_where_the_service_is_not_installed_the_error_names_the_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(house.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(WrongInputError, match="leasehold-api and edge-agent can't be found") as wrong:
        find_programs()
    assert "pip install leasehold-api leasehold-agent" in str(wrong.value.cure)


def test_values_come_from_the_environment_before_the_file_and_are_hidden(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "leasehold.dev.toml").write_text("[variables]\nlimit = 3\nother = [1]\n")
    monkeypatch.setenv("LEASEHOLD_VAR_LIMIT", "not json")
    monkeypatch.setenv("LEASEHOLD_CONN_PLANT_DB", "postgres://reader:topsecret@db/plant")

    values = read_values(folder)

    found = connection(values, "plant_db")
    assert found is not None
    assert (found.password, found.sites) == ("topsecret", ["local"])
    assert tuple(variable(values, key) for key in ("limit", "other", "no")) == (
        (True, "not json"),
        (True, [1]),
        (False, None),
    )
    assert "[1]" not in repr(values)


@pytest.mark.parametrize("text", ["[connections", "connections = 3", "[conections]", "[connections]\nplant_db = 3"])
def test_a_file_of_values_that_cannot_be_used_is_named_with_an_example(folder: Path, text: str) -> None:
    (folder / "leasehold.dev.toml").write_text(text)

    with pytest.raises(WrongInputError) as wrong:
        connection(read_values(folder), "plant_db")

    assert "[connections]" in str(wrong.value.cure)


async def test_a_save_is_noticed_also_of_a_file_that_is_new(folder: Path) -> None:
    saves = Saves(folder / "greeting.py")
    saves.read(["words.py"])

    (folder / "more.py").write_text("")

    await saves.next()
