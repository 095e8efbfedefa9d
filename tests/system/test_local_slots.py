"""An agent beside the service, at a trusted site: nothing to set up, secrets with the lease, and an orderly end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.place import Place, open_place
from tests.system.programs import Program, until

SECRET = "correct-horse-battery"
DAGS = f"""\
from leasehold import Connection, Variable, dag, shell, task


@task(connections=["plant_db"], variables=["limit", "missing"])
def read():
    import os, time
    print("the password is", Connection.get("plant_db").password)
    before = Variable.get("limit")
    Variable.set("limit", before + "1")
    kept = [open(os.path.join(folder, name), "rb").read() for folder, _, names in os.walk("..")
            for name in names if not name.endswith(".sock")]
    assert not any({SECRET.encode()!r} in text for text in kept), "a secret is on the disk"
    try:
        Variable.get("missing")
    except Exception as error:
        return [before, Variable.get("limit"), type(error).__name__]


@dag
def trusting():
    read()


@dag
def gated(gate: str = ""):
    shell("while [ ! -e {{{{ params.gate }}}} ]; do sleep 0.05; done; echo opened", id="wait")
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with open_place(tmp_path) as place:
        place.serve("--local-slots", "2")
        until(lambda: agents(place), "its agent is connected")
        place.deploy("local", DAGS)
        yield place


def agents(place: Place) -> list[dict[str, Any]]:
    return [agent for agent in place.get("agents")["items"] if agent["status"] == "connected"]


def agent_pid(place: Place) -> int:
    def look() -> int | None:
        for pid in place.processes():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"run" in words and any(word.endswith(b"edge-agent") for word in words):
                return pid
        return None

    return until(look, "the agent runs")


def api_of(place: Place) -> Program:
    return place.programs[0]


def reads(place: Place) -> list[tuple[str, str, str]]:
    rows = place.get("audit?limit=1000")["items"]
    found = [(row["action"], row["object"], row["result"]) for row in rows if row["actor"].startswith("task:")]
    return sorted(found)


def test_a_task_gets_what_it_declared_with_its_lease_and_each_handing_out_leaves_a_trace(place: Place) -> None:
    secret = ("--password-file", "-", "--site", "local")
    place.command("leasehold", "connections", "set", "plant_db", "--conn-type", "postgres", *secret, stdin=SECRET)
    place.command("leasehold", "variables", "set", "limit", "3")

    run = place.run_dag("trusting")

    [task] = run["tasks"]
    assert task["result"] == ["3", "31", "NotFoundError"], "what it set counts at once; what is missing is asked for"
    assert SECRET.encode() not in place.log_of(task["attempts"][0]["attempt"])
    assert b"***" in place.log_of(task["attempts"][0]["attempt"])
    until(lambda: len(reads(place)) >= 6, "the trail has all of it")
    assert reads(place) == [
        ("connection.read", "plant_db", "given"),
        ("variable.changed", "limit", "given"),
        ("variable.read", "limit", "given"),
        ("variable.read", "limit", "given"),
        ("variable.read", "missing", "not_found"),
        ("variable.read", "missing", "not_found"),
    ]


def test_its_agent_is_started_again_and_the_service_lets_it_finish_before_it_ends(place: Place, gate: Path) -> None:
    first = agent_pid(place)
    os.kill(first, signal.SIGKILL)
    until(lambda: agent_pid(place) != first, "another one is there")
    run = place.trigger("gated", gate=str(gate))
    until(lambda: place.get(f"runs/{run}")["tasks"][0]["state"] == "running", "its task runs")

    api_of(place).terminate()
    until(lambda: b"draining" in api_of(place).log.read_bytes(), "the agent was asked first")
    gate.touch()

    assert api_of(place).ended() == 0
    assert place.processes() == []
    again = place.serve("--local-slots", "2", name="api-again", port=int(place.url.rpartition(":")[2]))
    assert place.finished(run)["state"] == "success"
    assert again.is_alive


def test_a_second_signal_cancels_what_its_agent_runs(place: Place, gate: Path) -> None:
    run = place.trigger("gated", gate=str(gate))
    until(lambda: place.get(f"runs/{run}")["tasks"][0]["state"] == "running", "its task runs")

    api_of(place).terminate()
    until(lambda: b"draining" in api_of(place).log.read_bytes(), "the agent was asked first")
    api_of(place).terminate()

    assert api_of(place).ended() == 0
    until(lambda: place.processes() == [], "nothing is left")


def test_a_killed_service_leaves_no_agent(place: Place) -> None:
    agent_pid(place)

    api_of(place).kill()

    until(lambda: place.processes() == [], "the agent ends too")
