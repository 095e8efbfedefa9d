"""No secret is where people, other users or tasks can read it: not in a log, an argument or an environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.place import Place
from tests.system.programs import until

PASSWORD = "correct-horse-battery"
DAGS = """\
import time
from pathlib import Path

from leasehold import Connection, dag, log, shell, task


@task(connections=["plant_db"])
def talkative(gate: str) -> int:
    secret = Connection.get("plant_db").password
    print("the password is", secret)
    log.info("signing in", password=secret)
    while not Path(gate).exists():
        time.sleep(0.02)
    return len(secret)


@dag
def telling(gate: str):
    talkative(gate)
    shell('env; while ! [ -e "$GATE" ]; do sleep 0.02; done', id="env", env={"GATE": gate}, result="nothing")
"""


@pytest.fixture(scope="module")
def seen(place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Everything that may be read by others during and after a run, by where it was."""
    gate = tmp_path_factory.mktemp("gate") / "gate"
    put = ("leasehold", "connections", "set", "plant_db", "--conn-type", "postgres", "--host", "db.plant.lan")
    place.command(*put, "--password-file", "-", "--site", "plant", "--site", "north", stdin=PASSWORD)
    place.deploy("telling", DAGS)
    run = place.trigger("telling", gate=str(gate))
    for task in ("talkative", "env"):
        place.running(run, task)
    readable = {
        f"{name} of process {pid}": until(Path(f"/proc/{pid}/{name}").read_bytes, name)
        for pid in place.processes()
        for name in ("cmdline", "environ")
    }
    gate.touch()
    ended = place.finished(run)
    assert [task["state"] for task in ended["tasks"]] == ["success", "success"]
    for task in ended["tasks"]:
        readable[f"log of {task['task']}"] = place.log_of(task["attempts"][0]["attempt"])
    for file in (place.home / "logs").iterdir():
        readable[str(file)] = file.read_bytes()
    readable["the run"] = json.dumps(ended).encode()
    return readable


@pytest.fixture(scope="module")
def secrets(place: Place, seen: dict[str, bytes]) -> dict[str, bytes]:
    """Every secret of the place, by its name."""
    found = {"the connection's password": PASSWORD.encode()}
    found["the API token"] = (place.home / "api" / "bootstrap.token").read_bytes().strip().partition(b".")[2]
    for file in place.home.glob("*.token"):
        found[f"the enrolment token {file.name}"] = file.read_bytes().strip().partition(b".")[2]
    return found


def test_the_run_is_one_in_which_secrets_were_used(seen: dict[str, bytes]) -> None:
    assert b"the password is" in seen["log of talkative"]
    assert b"signing in" in seen["log of talkative"]
    assert sum(name.startswith("environ") for name in seen) >= 6


def test_no_secret_is_in_a_log_an_argument_or_an_environment(seen: dict[str, bytes], secrets: dict[str, bytes]) -> None:
    assert len(secrets) == 4

    told = [(name, where) for name, secret in secrets.items() for where, text in seen.items() if secret in text]

    assert told == []


@pytest.mark.parametrize("sign", [b"eyJ", b"PRIVATE KEY", b'"d":'], ids=["any JWT", "a PEM key", "a private JWK"])
def test_no_signed_token_and_no_private_key_is_there_either(seen: dict[str, bytes], sign: bytes) -> None:
    assert [where for where, text in seen.items() if sign in text] == []


def test_what_is_secret_on_disk_is_for_its_owner_only(place: Place, seen: dict[str, bytes]) -> None:
    loose = [
        str(file)
        for root in (place.home / "api", place.home / "north-1", place.home / "plant-1")
        for file in root.rglob("*")
        if file.is_file() and file.stat().st_mode & 0o077 and not _is_shielded(file, root)
    ]

    assert loose == []


def _is_shielded(file: Path, root: Path) -> bool:
    """Whether a directory above is closed to others."""
    between = [parent for parent in file.parents if parent == root or root in parent.parents]
    return any(parent.stat().st_mode & 0o077 == 0 for parent in between)
