"""What tasks do that nobody should: each gets an answer that says what to do, and the host stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leasehold_protocol.v1.manifest import PythonWork
from tests.conformance.bindings import program, runtime
from tests.edge_agent.host.harness import Attempt, Task
from tests.support.node import node

MIB = 2**20
TASKS = """\
import os
import sys
import threading
from pathlib import Path

from leasehold import Connection, Variable, errors, log, metrics, xcom
from leasehold.runtime.host import hang_up


def host_peak_kb():
    lines = Path(f"/proc/{os.getppid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def a_thousand_threads():
    problems = []
    gate = threading.Barrier(1000)

    def call(number):
        gate.wait()
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


def after_fork():
    metrics.count("parent")  # a connection is open, which the child must not use
    child = os.fork()
    if child == 0:
        log.info("from the child")
        metrics.count("child")
        os._exit(7)
    metrics.count("parent")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def socket_gone():
    hang_up()
    os.rename(os.environ["LEASEHOLD_TASK_SOCKET"], "moved.sock")
    try:
        Connection.get("plant_db")
    except errors.UnavailableError as problem:
        found = str(problem)
    log.info("still heard")
    os.rename("moved.sock", os.environ["LEASEHOLD_TASK_SOCKET"])
    return found


def one_long_line():
    piece = b"x" * 2**20
    for _ in range(100):
        os.write(1, piece)
    os.write(1, b"\\nafter\\n")
    return host_peak_kb()


def one_long_record():
    log.info("y" * 100 * 2**20)
    return host_peak_kb()


def closes_its_output():
    os.close(1)
    os.close(2)
    log.info("the log goes on")
    try:
        print("nobody hears this", flush=True)
    except OSError as problem:
        log.info(f"print: {problem.strerror}")
    return "done"


def closes_its_streams():
    sys.stdout.close()
    sys.stderr.close()
    log.info("the log goes on")
    return "done"


def wrong_values():
    found = []
    for value in (float("nan"), 2**70, object(), {1: 2}, "\\ud800"):
        try:
            xcom.push("wrong", value)
        except TypeError as problem:
            found.append(str(problem))
    try:
        Variable.set("limits/upper", "x" * 2 * 2**20)
    except errors.RefusedError as problem:
        found.append(str(problem))
    return found
"""
NODE = """
const { log, metrics, result, errors, Variable } = await import(process.env.LEASEHOLD_SDK_JS);
const calls = Array.from({ length: 1000 }, (_, number) => metrics.count("calls", 1, { number }));
const done = await Promise.allSettled(calls);
await log.info("z".repeat(2 * 2 ** 20));
let said = "";
try { await Variable.set("limits/upper", "x".repeat(2 * 2 ** 20)); } catch (problem) { said = problem.message; }
await result({ refused: done.filter((one) => one.status === "rejected").length, said });
"""


@pytest.fixture
def ended(attempt: Attempt, tmp_path: Path) -> Any:
    """Return a function that runs one of the functions above to its end and returns its result."""

    def run(name: str) -> Any:
        bundle = tmp_path / "bundle"
        bundle.mkdir()
        (bundle / "bad.py").write_text(TASKS)
        attempt.start(PythonWork(module="bad", function=name), runtime=runtime(tmp_path / "state"), bundle_dir=bundle)
        ending = attempt.wait()
        assert ending["kind"] == "success", attempt.log[-4000:]
        return attempt.xcom("return_value")

    return run


def test_a_thousand_threads_are_all_answered(ended: Any, attempt: Attempt) -> None:
    assert ended("a_thousand_threads") == []
    assert len({point["tags"]["number"] for point in attempt.lines("metrics.ndjson")}) == 1000


def test_a_thousand_promises_are_all_answered_and_refusals_say_what_to_do(attempt: Attempt, tmp_path: Path) -> None:
    script = tmp_path / "bad.mjs"
    script.write_text(NODE)

    attempt.start(program(node(), str(script)), runtime=runtime(tmp_path / "state"))
    ending = attempt.wait()

    assert ending["kind"] == "success", attempt.log[-4000:]
    found = attempt.xcom("return_value")
    assert found["refused"] == 0
    assert "larger than 1 MiB: split it" in found["said"]
    assert len(attempt.lines("metrics.ndjson")) == 1000
    assert len("".join(attempt.texts("stderr+"))) >= 2 * MIB - 16384  # what is too long for a record is printed


def test_connections_that_idle_make_room_for_new_ones(attempt: Attempt) -> None:
    task = attempt.talking()
    head = f"GET /v1/context HTTP/1.1\r\nAuthorization: Bearer {task.secret}\r\n\r\n".encode()
    idle = [task.raw() for _ in range(128)]
    for connection in idle:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")

    status, _ = task.request("GET", "/v1/context")

    assert status == 200
    for connection in idle:
        connection.close()
    task.end(0)
    attempt.wait()


def test_a_forked_child_has_connections_of_its_own(ended: Any, attempt: Attempt) -> None:
    assert ended("after_fork") == 7
    assert attempt.texts("info") == ["from the child"]
    assert sorted(point["name"] for point in attempt.lines("metrics.ndjson")) == ["child", "parent", "parent"]


def test_without_the_socket_reads_say_so_and_the_log_goes_on(ended: Any, attempt: Attempt) -> None:
    assert "the attempt host can't be reached" in ended("socket_gone")
    assert attempt.texts("stderr") == ["INFO still heard"]


def test_a_hundred_thousand_metrics_are_all_kept(attempt: Attempt) -> None:
    task = attempt.talking()
    point = {"name": "level", "kind": "gauge", "value": 1, "tags": {"plant": "north"}}

    answers = {task.request("POST", "/v1/metrics", [point] * 5000)[0] for _ in range(20)}
    too_many = task.request("POST", "/v1/metrics", [point] * 5001)
    status = Path(f"/proc/{attempt.pid}/status").read_text()
    task.end(0)
    attempt.wait()

    peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    assert answers == {204}
    assert (too_many[0], too_many[1]["detail"]) == (422, "more than 5000 at once: send them in several requests")
    assert [point["seq"] for point in attempt.lines("metrics.ndjson")] == list(range(1, 100_001))
    assert peak_kb < 96 * 1024


@pytest.mark.parametrize(("task", "source"), [("one_long_line", "stdout"), ("one_long_record", "stderr")])
def test_a_line_of_100_mb_is_kept_in_pieces(ended: Any, attempt: Attempt, task: str, source: str) -> None:
    peak_kb = ended(task)

    kept = sum(len(text) for mark in ("", "+") for text in attempt.texts(source + mark))
    assert kept >= 100 * MIB
    assert max(map(len, attempt.log.splitlines())) < 17 * 1024
    assert peak_kb < 96 * 1024


@pytest.mark.parametrize("task", ["closes_its_output", "closes_its_streams"])
def test_a_task_that_closes_its_output_still_has_its_log_and_its_result(
    ended: Any, attempt: Attempt, task: str
) -> None:
    assert ended(task) == "done"
    assert attempt.texts("info")[0] == "the log goes on"


def test_values_that_can_not_travel_are_named_with_their_cure(ended: Any) -> None:
    nan, huge, thing, key, half, large = ended("wrong_values")

    assert "JSON doesn't have" in nan
    assert "more than 64 bits: send it as text" in huge
    assert "can't travel between tasks" in thing
    assert "use str(key)" in key
    assert "half a character" in half
    assert "larger than 1 MiB: split it" in large


@pytest.mark.parametrize("number", [str(2**64), str(-(2**63) - 1), "1" + "0" * 30, "9" * 5000], ids=len)
def test_huge_whole_numbers_are_refused_and_texts_of_digits_are_not(attempt: Attempt, number: str) -> None:
    task = attempt.talking()
    digits = "9" * 30

    refused = task.request("PUT", "/v1/result", data=f'{{"value": [{number}]}}'.encode())
    taken = task.request("PUT", "/v1/result", {"value": [digits, 2**64 - 1, -(2**63), 1.5]})
    task.end(0)
    attempt.wait()

    assert (refused[0], refused[1]["code"]) == (422, "invalid_request")
    assert "more than 64 bits: send it as text" in refused[1]["detail"]
    assert taken[0] == 204


@pytest.mark.parametrize(("version", "status"), [("1", 200), ("2", 426), ("0", 426), ("99999", 426), ("one", 422)])
def test_a_binding_of_another_protocol_version_is_told_which_is_spoken(
    attempt: Attempt, version: str, status: int
) -> None:
    task: Task = attempt.talking()

    found, body = task.request("GET", "/v1/context", headers={"Leasehold-Task-Protocol": version})
    task.end(0)
    attempt.wait()

    assert found == status
    if status != 200:
        assert "speaks version 1 of the task protocol" in body["detail"]
