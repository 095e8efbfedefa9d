"""Tasks that do what nobody should, at a real agent: each author is told what to do, and everybody else goes on.

A line of 100 MB and 100,000 metrics go through a host in tests/edge_agent/host/test_bad_input.py; here a part of that
is delivered as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.system.place import Place
from tests.system.programs import Program, until

BAD = '''\
"""One task for each kind of bad input; none takes another with it."""

import os
import threading
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from leasehold import Connection, Variable, dag, errors, log, metrics, shell, task, xcom


@task
def asks_for_what_it_did_not_declare(name: str):
    return Connection.get(name)


@task
def returns_too_much():
    return "x" * 65 * 2**20


@task
def returns_nan():
    return {"rows": [1.0, float("nan")]}


@task
def returns_a_huge_number():
    return [2**70]


@task
def returns_an_object():
    return {"file": open("here", "w")}


@task
def knows_a_zone_of_its_own():
    return datetime.now(ZoneInfo("Mars/Olympus_Mons"))


@task
def takes_a_time(at):
    return at


@task
def calls_a_thousand_times_at_once():
    problems = []

    def call(number):
        try:
            metrics.count("calls", 1, number=number)
        except Exception as problem:
            problems.append(str(problem))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems


@task
def forks():
    xcom.push("who", "parent")
    child = os.fork()
    if child == 0:
        log.info("from the child")
        xcom.push("child", os.getpid())
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@task
def loses_its_socket():
    from leasehold.runtime.host import hang_up

    hang_up()
    os.unlink(os.environ["LEASEHOLD_TASK_SOCKET"])
    try:
        xcom.push("late", 1)
    except errors.UnavailableError as problem:
        print(problem)


@task
def measures_without_end():
    from leasehold.runtime.host import current_host

    point = {"name": "level", "kind": "gauge", "value": 1, "tags": {"plant": "north"}}
    for _ in range(5):
        current_host()._call("POST", "/v1/metrics", points(point), timeout_s=60)


def points(point):
    import json

    return json.dumps([point] * 5000).encode()


@task
def prints_one_line_of_20_mb():
    piece = b"x" * 2**20
    for _ in range(20):
        os.write(1, piece)


@task
def closes_its_output():
    os.close(1)
    os.close(2)
    log.info("the log goes on")
    return "done"


@dag
def bad(gate: str):
    asks_for_what_it_did_not_declare("payroll_db")
    returns_too_much()
    returns_nan()
    returns_a_huge_number()
    returns_an_object()
    knows_a_zone_of_its_own()
    wrong_time = '{"$type": "datetime", "value": "2026-11-22T06:00[Mars/Olympus_Mons]"}'
    told = shell('"$LEASEHOLD_EDGE_AGENT" task result --json "$TIME"', env={"TIME": wrong_time}, id="says_a_wrong_time")
    takes_a_time(told)
    calls_a_thousand_times_at_once()
    forks()
    loses_its_socket()
    measures_without_end()
    prints_one_line_of_20_mb()
    closes_its_output()
    shell("while test ! -e '{{ params.gate }}'; do sleep 0.1; done; echo went on", id="bystander", priority=100)
'''

MIB = 2**20
SAYS = {
    "asks_for_what_it_did_not_declare": "did not declare connection 'payroll_db': add connections=[\"payroll_db\"]",
    "returns_too_much": "the result was not taken: the body is larger than 64 MiB: split it, or push it as a file",
    "returns_nan": 'result["rows"][1] is nan, which JSON doesn\'t have: use None, or leave it out',
    "returns_a_huge_number": "result[0] is a whole number of more than 64 bits: send it as text",
    "returns_an_object": 'result["file"] is a _io.TextIOWrapper, which can\'t travel between tasks',
    "knows_a_zone_of_its_own": "No time zone found with key Mars/Olympus_Mons' (bad.py:",
    "takes_a_time": "what 'says_a_wrong_time' left under 'return_value' can't be read: a value is marked as datetime",
}
"""What an author reads as the reason of the failure."""


def rss_kb(program: Program) -> int:
    lines = Path(f"/proc/{program.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.fixture(scope="module")
def after(api: Place, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The run after its end, and what the agent weighed before and after."""
    gate = tmp_path_factory.mktemp("gate") / "gate"
    api.enroll("north", "north-1")
    agent = api.start_agent("north-1", "--slots", "4")
    api.deploy("bad", BAD)
    before = rss_kb(agent)
    run = api.trigger("bad", gate=str(gate))

    def others_have_ended() -> bool:
        tasks = api.get(f"runs/{run}")["tasks"]
        return all(task["state"] in ("success", "failed") for task in tasks if task["task"] != "bystander")

    until(others_have_ended, "all but the bystander have ended")
    gate.touch()
    finished = api.finished(run)
    weight = rss_kb(agent)
    status = api.command("edge-agent", "status", "--state-dir", "north-1")
    tasks = {task["task"]: task for task in finished["tasks"]}
    return tasks, api, run, (before, weight), status


@pytest.mark.parametrize("task", SAYS)
def test_the_author_is_told_what_to_do(after: Any, task: str) -> None:
    found = after[0][task]

    assert found["state"] == "failed"
    assert SAYS[task] in found["attempts"][-1]["message"]


def test_what_is_odd_but_allowed_succeeds_and_arrives_whole(after: Any) -> None:
    tasks, api, run, *_ = after
    odd = {name: task["state"] for name, task in tasks.items() if name not in SAYS}

    def metrics() -> dict[str, int] | None:
        found = {point["name"]: point for point in api.get(f"runs/{run}/metrics")["items"] if point["name"] == "level"}
        return {name: point["count"] for name, point in found.items() if point["count"] == 25_000}

    assert set(odd.values()) == {"success"}, odd
    assert until(metrics, "all metrics have arrived") == {"level": 25_000}
    assert tasks["prints_one_line_of_20_mb"]["attempts"][-1]["log_bytes"] > 20 * MIB


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("loses_its_socket", "PUT /v1/xcoms/late: the attempt host can't be reached"),
        ("forks", "from the child"),
        ("closes_its_output", "the log goes on"),
    ],
)
def test_the_log_says_what_happened(after: Any, task: str, says: str) -> None:
    tasks, api, *_ = after

    assert says in api.log_of(tasks[task]["attempts"][-1]["attempt"]).decode()


def test_the_agent_stays_as_it_was_and_the_others_go_on(after: Any) -> None:
    tasks, _, _, (before, weight), status = after

    assert "connected" in status
    assert "trouble" not in status
    assert weight - before < 24 * 1024, f"{before} KiB before, {weight} KiB after"
    assert (tasks["bystander"]["state"], tasks["bystander"]["try_number"]) == ("success", 1)
