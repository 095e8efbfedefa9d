"""Agents and APIs die and are told to stop in the middle of tasks. Nothing is lost and nothing is done twice."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import leasehold_agent
from tests.system.place import Place
from tests.system.programs import until

DAGS = '''\
"""A task that is in the middle of its work for as long as the test likes."""

import time
from pathlib import Path

from leasehold import dag, metrics, task


@task
def patient(gate: str) -> int:
    for line in range(1000):
        print(f"line {line}", flush=True)
        metrics.count("lines")
    while not Path(gate).exists():
        time.sleep(0.02)
    for line in range(1000, 2000):
        print(f"line {line}", flush=True)
        metrics.count("lines")
    Path(gate).with_suffix(".times").open("a").write("once ")
    return line


@dag
def waiting(gate: str):
    patient(gate)


@task
def chatty(gate: str) -> int:
    line = 0
    while not Path(gate).exists():
        print(f"line {line}", flush=True)
        line += 1
        time.sleep(0.002)
    return line


@dag
def talking(gate: str):
    chatty(gate)
'''
AGENTS = ("killed-1", "often-1", "aged-0", "aged-9", "back-1", "steady-1", "drained-1")
LINES = [f"line {number}" for number in range(2000)]


@pytest.fixture(scope="module", autouse=True)
def deployed(api: Place) -> None:
    api.deploy("crashes", DAGS)


@pytest.fixture(autouse=True)
def one_agent_at_a_time(api: Place) -> Iterator[None]:
    """Agents of other tests take no work of this one's."""
    yield
    for program in api.programs:
        if program.name in AGENTS:
            program.terminate()
            program.ended()


def counted(place: Place, run: dict[str, Any]) -> float:
    """Return what the task's one metric adds up to."""
    return sum(float(metric["total"]) for metric in place.get(f"runs/{run['run']}/metrics")["items"])


def assert_nothing_is_lost(place: Place, run: dict[str, Any], gate: Path) -> None:
    ((attempt,),) = (task["attempts"] for task in run["tasks"])
    assert (run["state"], attempt["ending"]) == ("success", "success")
    assert run["tasks"][0]["result"] == 1999
    written = place.log_of(attempt["attempt"]).decode().splitlines()
    assert [line.partition(" stdout ")[2] for line in written] == LINES
    until(lambda: counted(place, run) >= 2000, "the metrics are here")
    assert counted(place, run) == 2000
    assert gate.with_suffix(".times").read_text() == "once "


def test_a_task_survives_the_death_of_its_agent(api: Place, gate: Path) -> None:
    api.enroll("north", "killed-1")
    agent = api.start_agent("killed-1")
    run = api.trigger("waiting", gate=str(gate))
    api.running(run, "patient")

    agent.kill()
    gate.touch()
    until(gate.with_suffix(".times").exists, "the task goes on without its agent")
    again = api.start_agent("killed-1")

    assert_nothing_is_lost(api, api.finished(run), gate)
    assert again.is_alive


def test_an_agent_comes_back_to_a_task_that_still_runs(api: Place, gate: Path) -> None:
    api.enroll("north", "back-1")
    agent = api.start_agent("back-1")
    run = api.trigger("waiting", gate=str(gate))
    attempt = api.running(run, "patient")

    agent.kill()
    again = api.start_agent("back-1")
    assert api.get(f"runs/{run}")["tasks"][0]["attempts"][0]["ended_at"] is None
    gate.touch()

    ended = api.finished(run)
    assert_nothing_is_lost(api, ended, gate)
    assert ended["tasks"][0]["attempts"][0]["attempt"] == attempt
    assert again.is_alive


def test_a_log_has_no_gap_where_the_agent_was_killed(api: Place, gate: Path) -> None:
    api.enroll("north", "often-1")
    agent = api.start_agent("often-1")
    run = api.trigger("talking", gate=str(gate))
    attempt = api.running(run, "chatty")
    written = api.home / "often-1" / "attempts" / attempt / "output.log"

    for _ in range(3):
        until(lambda: len(api.log_of(attempt)) > 0, "some of the log is at the API")
        agent.kill()
        unseen = written.stat().st_size
        until(lambda seen=unseen: written.stat().st_size > seen + 1000, "the task goes on without its agent")  # type: ignore[misc]  # bound
        there = written.stat().st_size
        agent = api.start_agent("often-1")
        until(lambda there=there: len(api.log_of(attempt)) > there, "what was written meanwhile arrives")  # type: ignore[misc]  # bound
    gate.touch()

    ended = api.finished(run)
    lines = [line.partition(" stdout ")[2] for line in api.log_of(attempt).decode().splitlines()]
    assert lines == [f"line {number}" for number in range(ended["tasks"][0]["result"])]
    assert len(ended["tasks"][0]["attempts"]) == 1


def other_agent(folder: Path, version: str) -> Path:
    """Install the agent once more, with hosts of another version; return what its ``PYTHONPATH`` needs."""
    shutil.copytree(Path(leasehold_agent.__file__).parent, folder / "leasehold_agent")
    stated = folder / "leasehold_agent" / "host" / "version.py"
    stated.write_text(re.sub(r"(?m)^HOST_VERSION = .*$", f'HOST_VERSION = "{version}"', stated.read_text()))
    return folder


@pytest.mark.parametrize(("version", "is_newer"), [("0.0.9", False), ("9.0.0", True)])
def test_an_agent_comes_back_to_a_host_of_another_version(
    api: Place, gate: Path, tmp_path: Path, version: str, *, is_newer: bool
) -> None:
    name = f"aged-{version[0]}"
    api.enroll("north", name)
    other = other_agent(tmp_path / "other", version)
    agent = api.start_agent(name, more={"PYTHONPATH": str(other)})
    run = api.trigger("waiting", gate=str(gate))
    attempt = api.running(run, "patient")
    host = json.loads((api.home / name / "attempts" / attempt / "host.json").read_text())

    agent.kill()
    again = api.start_agent(name)
    until(lambda: "attempt found on disk" in again.said(), "it follows the host")
    if is_newer:
        until(lambda: "host is newer than the agent" in again.said(), "it says that the host is newer")
    gate.touch()

    assert host["version"] == version
    ended = api.finished(run)
    assert_nothing_is_lost(api, ended, gate)
    assert ended["tasks"][0]["attempts"][0]["attempt"] == attempt


def test_a_task_survives_the_death_of_the_api(empty_place: Place, api: Place, gate: Path) -> None:
    api.enroll("north", "steady-1")
    agent = api.start_agent("steady-1")
    run = api.trigger("waiting", gate=str(gate))
    api.running(run, "patient")

    next(program for program in api.programs if program.name == "api").kill()
    gate.touch()
    until(gate.with_suffix(".times").exists, "the task ends while there is no API")
    api.serve(port=int(api.url.rpartition(":")[2]), name="api-again")

    assert_nothing_is_lost(api, api.finished(run), gate)
    assert agent.is_alive


def test_an_agent_that_is_told_to_stop_finishes_what_it_runs_and_takes_nothing_new(api: Place, gate: Path) -> None:
    api.enroll("north", "drained-1")
    agent = api.start_agent("drained-1", "--slots", "4")
    run = api.trigger("waiting", gate=str(gate))
    api.running(run, "patient")

    agent.terminate()
    until(lambda: "draining" in agent.said(), "the agent says that it drains")
    later = api.trigger("waiting", gate=str(gate))
    gate.touch()

    assert agent.ended() == 0
    assert_nothing_is_lost(api, api.finished(run), gate)
    assert api.get(f"runs/{later}")["tasks"][0]["state"] == "queued"
    api.cancel(later)
