"""Branches, short circuits, setups and teardowns, through a real API, real agents and real tasks."""

from __future__ import annotations

from pathlib import Path

from tests.system.place import Place
from tests.system.programs import until

SOURCE = '''\
"""A tank is read; what is done with it depends on what was read."""

import pathlib
import time

from leasehold import dag, group, setup, shell, task, teardown


@setup
def open_valve(folder: str):
    pathlib.Path(folder).mkdir()


@teardown
def close_valve(folder: str):
    pathlib.Path(folder).rmdir()


@task.branch
def choose(level: int):
    return "empty" if level < 10 else ["fill.pump", tell]


@task
def tell():
    return "told"


@task.short_circuit
def is_worth_it(level: int):
    return level > 50


@task
def pump(folder: str):
    raise RuntimeError("the pump is stuck")


@task(trigger_rule="one_failed")
def alarm():
    return "called"


@dag
def tank(level: int = 20, folder: str = "/nowhere"):
    with open_valve(folder) >> close_valve(folder):
        chosen = choose(level)
        with group("fill", retries=0):
            pumped = pump(folder)
            pumped >> shell("true", id="settle")
        chosen >> [shell("true", id="empty"), pumped, tell()]
        pumped >> alarm()
    is_worth_it(level) >> shell("true", id="polish") >> shell("true", id="shine", trigger_rule="all_done")


@task
def waits(gate: str):
    print("it began", flush=True)
    while not pathlib.Path(gate).exists():
        time.sleep(0.02)


@dag
def held(folder: str, gate: str):
    with open_valve(folder) >> close_valve(folder):
        waits(gate)


@task.branch
def lost():
    return "nowhere".lower()


@dag
def astray():
    lost() >> shell("true", id="here")
'''


def test_a_branch_a_short_circuit_and_a_teardown_after_a_failure(place: Place, tmp_path: Path) -> None:
    place.deploy("tank", SOURCE)
    folder = tmp_path / "valve"

    run = place.run_dag("tank", folder=str(folder))

    tasks = {task["task"]: task for task in run["tasks"]}
    assert {name: task["state"] for name, task in tasks.items()} == {
        "open_valve": "success",
        "close_valve": "success",
        "choose": "success",
        "fill.pump": "failed",
        "fill.settle": "upstream_failed",
        "empty": "skipped",
        "tell": "success",
        "alarm": "success",
        "is_worth_it": "success",
        "polish": "skipped",
        "shine": "skipped",
    }
    assert run["state"] == "failed", "what the pump should have filled decides, not the teardown"
    assert not folder.exists()
    assert tasks["choose"]["result"] == ["fill.pump", "tell"]
    assert tasks["empty"]["reason"] == "skipped by choose"
    assert (tasks["fill.pump"]["group"], tasks["close_valve"]["role"]) == ("fill", "teardown")


def test_a_branch_that_names_nothing_known_fails_and_says_what_there_is(place: Place) -> None:
    place.deploy("astray", SOURCE)

    (lost, here) = place.run_dag("astray")["tasks"]

    assert lost["state"] == "failed"
    assert "the branch lost returned 'nowhere', which is not directly after it" in lost["reason"]
    assert "there are here" in lost["reason"]
    assert (here["state"], here["reason"]) == ("upstream_failed", "lost failed")


def test_a_cancelled_run_is_torn_down(place: Place, tmp_path: Path, gate: Path) -> None:
    place.deploy("held", SOURCE)
    folder = tmp_path / "valve"
    run = place.trigger("held", folder=str(folder), gate=str(gate))
    until(lambda: place.running(run, "waits"), "it waits")

    place.cancel(run)

    found = place.finished(run)
    assert found["state"] == "cancelled"
    assert [task["state"] for task in found["tasks"]] == ["success", "success", "cancelled"]
    assert not folder.exists()
