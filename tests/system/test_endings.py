"""However a task ends, its author learns how, and everything it wrote arrives as it was."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from tests.system.place import Place
from tests.system.programs import until

DAGS = '''\
"""Tasks that end badly, in all the ways there are."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from leasehold import Connection, context, dag, program, shell, task


@task
def raises():
    raise ValueError("the valve is stuck")


@task
def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


@task
def writes_what_is_no_text():
    os.write(1, b"caf\\xe9 \\xff\\xfe end\\n")
    return "done"


@task(timeout="1s")
def never_ends():
    while True:
        time.sleep(0.1)


@task(retries=1, retry_delay="1s")
def fails_once():
    if context().try_number == 1:
        raise ConnectionError("not yet")
    return context().try_number


@task
def is_deaf(gate: str):
    """Ignores SIGTERM, and so does its child, which left the process group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    Path(gate).write_text(f"{os.getpid()} {child.pid}")
    print("running", flush=True)
    child.wait()


@task(needs={"place": "north"})
def make_large():
    return ["x" * 1000] * 1000


@task(needs={"place": "plant"})
def weigh(values):
    return [len(values), sum(map(len, values))]


@task(connections=["plant_db"])
def uses_it():
    return [Connection.get("plant_db").host, Connection.get("plant_db").password]


@task
def did_not_declare_it(name: str):
    Connection.get(name)


@dag
def raising():
    raises()


@dag
def killed():
    is_killed()


@dag
def exits_3():
    shell("echo before; exit 3", id="exits_3")


@dag
def garbled():
    writes_what_is_no_text()


@dag
def endless():
    never_ends()


@dag
def retried():
    fails_once()


@dag
def deaf(gate: str):
    is_deaf(gate)


@dag
def shell_tree(gate: str):
    shell('sleep 600 & echo $! > "$GATE"; echo running; wait', id="parent", env={"GATE": gate})


@dag
def large():
    weigh(make_large())


@dag
def connected():
    uses_it()


@dag
def undeclared():
    did_not_declare_it("plant_db")


@dag
def chatty():
    program([sys.executable, "-c", "import sys\\nfor n in range(500_000): sys.stdout.write('%099d\\\\n' % n)"],
            id="chatty", result="nothing")
'''
LINES = b"".join(b"%099d\n" % number for number in range(500_000))
STAMP = re.compile(rb"^\S+Z stdout ", re.MULTILINE)


@pytest.fixture(scope="module", autouse=True)
def deployed(place: Place) -> None:
    place.deploy("endings", DAGS)
    secret = ("--password-file", "-", "--site", "plant")
    put = ("leasehold", "connections", "set", "plant_db", "--conn-type", "postgres", "--host", "db.plant.lan")
    place.command(*put, *secret, stdin="hunter2-but-longer")


def only_attempt(run: dict[str, Any]) -> dict[str, Any]:
    ((attempt,),) = (task["attempts"] for task in run["tasks"])
    return dict(attempt)


def told(gate: Path) -> list[str]:
    """Return the process ids that a task wrote, once it did."""
    return gate.read_text().split() if gate.exists() else []


def is_gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_what_a_task_raises_is_its_ending_and_in_its_log(place: Place) -> None:
    run = place.run_dag("raising")

    attempt = only_attempt(run)
    assert run["state"] == "failed"
    assert attempt["ending"] == "failed"
    assert "the valve is stuck" in attempt["message"]
    assert b"ValueError: the valve is stuck" in place.log_of(attempt["attempt"])


def test_an_exit_status_is_told(place: Place) -> None:
    run = place.run_dag("exits_3")

    attempt = only_attempt(run)
    assert (run["state"], attempt["ending"]) == ("failed", "failed")
    assert "3" in attempt["message"]
    assert STAMP.sub(b"", place.log_of(attempt["attempt"])) == b"before\n"


def test_a_killed_task_failed_by_that_signal(place: Place) -> None:
    run = place.run_dag("killed")

    attempt = only_attempt(run)
    assert (run["state"], attempt["ending"]) == ("failed", "failed")
    assert "9" in attempt["message"] or "KILL" in attempt["message"]


def test_fifty_megabytes_arrive_whole(place: Place) -> None:
    run = place.run_dag("chatty")

    log = STAMP.sub(b"", place.log_of(only_attempt(run)["attempt"]))
    assert run["state"] == "success"
    assert len(log) == len(LINES)
    assert hashlib.sha256(log).digest() == hashlib.sha256(LINES).digest()


def test_what_is_no_text_does_not_stop_the_log(place: Place) -> None:
    run = place.run_dag("garbled")

    log = place.log_of(only_attempt(run)["attempt"])
    assert run["state"] == "success"
    assert run["tasks"][0]["result"] == "done"
    assert b"caf" in log
    assert b" end\n" in log


def test_a_task_that_takes_too_long_is_stopped(place: Place) -> None:
    run = place.run_dag("endless")

    assert run["state"] == "failed"
    assert only_attempt(run)["ending"] == "timed_out"


def test_a_failed_try_is_tried_again_after_its_delay(place: Place) -> None:
    run = place.run_dag("retried")

    (task,) = run["tasks"]
    first, second = task["attempts"]
    assert (run["state"], task["result"]) == ("success", 2)
    assert (first["ending"], second["ending"]) == ("failed", "success")
    assert second["leased_at"] > first["ended_at"]


@pytest.mark.parametrize("dag", ["deaf", "shell_tree"])
def test_cancelling_reaches_every_process_of_a_task(place: Place, gate: Path, dag: str) -> None:
    run = place.trigger(dag, gate=str(gate))
    place.running(run, place.get(f"runs/{run}")["tasks"][0]["task"])
    pids = [int(pid) for pid in until(lambda: told(gate), "the task says who it is")]

    place.cancel(run)

    ended = place.finished(run)
    assert ended["state"] == "cancelled"
    until(lambda: all(is_gone(pid) for pid in pids), "the whole process tree is dead")


def test_a_large_result_travels_from_site_to_site(place: Place) -> None:
    run = place.run_dag("large")

    made, weighed = run["tasks"]
    assert (made["site"], weighed["site"]) == ("north", "plant")
    assert made["result_size"] > 256 * 1024
    assert weighed["result"] == [1000, 1_000_000]


def test_a_connection_is_for_the_granted_site_only(place: Place) -> None:
    run = place.run_dag("connected")

    (task,) = run["tasks"]
    assert run["state"] == "success"
    assert task["site"] == "plant"
    assert task["result"][0] == "db.plant.lan"


def test_a_connection_that_was_not_declared_is_refused(place: Place) -> None:
    run = place.run_dag("undeclared")

    log = place.log_of(only_attempt(run)["attempt"])
    assert run["state"] == "failed"
    assert b"UndeclaredError" in log
    assert b"plant_db" in log
    assert b"hunter2" not in log
