"""What an attempt host does when its disk is full."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leasehold_protocol.v1.manifest import (
    ResultFrom,
)
from tests.edge_agent.host.harness import TALKING, WAIT_S, Attempt, Zygote, read_line, shell, wait_dead


def test_a_full_disk_does_not_stop_the_task_and_is_confessed_afterwards(attempt: Attempt) -> None:
    task = attempt.talking(
        "echo early; " + TALKING.replace("exit", "seq 100000; echo > more; read x < go; echo late; exit")
    )
    more = attempt.fifo("more")
    task.request("POST", "/v1/log", {"message": "kept, behind everything printed so far"})
    resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    task.end(0)
    read_line(more)

    task.request("POST", "/v1/log", {"message": "dropped too, behind everything printed so far"})
    result = task.request("PUT", "/v1/result", {"value": "x" * 5000}, headers={"Leasehold-Wait": "0"})
    resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    task.end(0)
    ending = attempt.wait()

    assert (result[0], result[1]["code"]) == (503, "unavailable")
    assert ending["kind"] == "success"
    assert attempt.texts("stdout")[0] == "early"
    assert attempt.texts("stdout")[-1] == "late"
    assert any("dropped: the disk was full" in text for text in attempt.texts("agent"))
    assert ending["log_size"] == (attempt.path / "output.log").stat().st_size


def test_results_wait_for_a_full_disk_however_they_come(attempt: Attempt) -> None:
    """The one that is sent and, once the program has ended, the one that it printed."""
    task = attempt.talking(TALKING.replace("exit", "seq -s x 3000; exit"), result=ResultFrom.TEXT)
    resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    with ThreadPoolExecutor(1) as thread:
        sent = thread.submit(task.request, "PUT", "/v1/xcoms/rows", {"value": "x" * 5000})
        refused = task.request("PUT", "/v1/xcoms/more", {"value": "x" * 5000}, headers={"Leasehold-Wait": "0"})
        waited = not sent.done()
        resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        answer = sent.result(WAIT_S)
    resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    facts = json.loads((attempt.path / "host.json").read_text())
    task.end(0)
    wait_dead(facts["task_pid"])
    resource.prlimit(attempt.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    ending = attempt.wait()

    assert (waited, answer[0], refused[0]) == (True, 204, 503)
    assert ending["kind"] == "success", ending
    assert attempt.xcom("rows") == "x" * 5000
    assert attempt.xcom("return_value") == "x".join(map(str, range(1, 3001))) + "\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def until_full(disk: Path) -> None:
    end = time.monotonic() + WAIT_S
    while shutil.disk_usage(disk).free:
        assert time.monotonic() < end, "the disk does not become full"
        time.sleep(0.01)


def test_tasks_that_filled_the_disk_together_still_have_their_results(small_disk: Path, zygote: Zygote) -> None:
    """Each has room of its own: waiting for the room that the others leave, they would wait for ever."""
    attempts = [Attempt(small_disk / f"ti-{n}.1", zygote) for n in (1, 2)]
    begun, full, gates = ([attempt.fifo(name) for attempt in attempts] for name in ("begun", "full", "gate"))
    try:
        for attempt in attempts:
            line = "echo > begun; read go < full; yes | head -c 1000000 > hog; read go < gate; echo $((6 * 7))"
            attempt.start(shell(line))
        for fd in begun:
            read_line(fd)  # both hosts have taken their room: only then the disk is filled
        for fd in full:
            os.write(fd, b"go\n")
        until_full(small_disk)
        for fd in gates:
            os.write(fd, b"go\n")
        endings = [attempt.wait() for attempt in attempts]
    finally:
        for attempt in attempts:
            attempt.clean_up()

    assert [ending["kind"] for ending in endings] == ["success", "success"]
    assert [attempt.xcom("return_value") for attempt in attempts] == ["42", "42"]


def test_a_task_that_fills_the_disk_still_has_an_ending(small_disk: Path, zygote: Zygote) -> None:
    attempt = Attempt(small_disk / "ti-1.1", zygote)
    try:
        attempt.start(shell("yes | head -c 1000000 > hog; echo $? full >&2; seq 100000; exit 3"))

        ending = attempt.wait()
    finally:
        attempt.clean_up()

    assert ending["message"] == "exit status 3"
    assert ending["log_size"] == (attempt.path / "output.log").stat().st_size
    assert (attempt.work / "hog").stat().st_size < 400_000
