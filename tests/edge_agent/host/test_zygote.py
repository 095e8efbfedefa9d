"""The zygote and what becomes of hosts and tasks when somebody is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from leasehold_agent.host.remains import kill_remains
from leasehold_agent.host.spawn import HostNotStartedError, HostZygote, zygote_command
from leasehold_agent.host.version import HOST_VERSION
from tests.edge_agent.host.harness import WAIT_S, Attempt, Zygote, read_line, shell, wait_dead


@pytest.fixture
def own_zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def own_attempt(tmp_path: Path, own_zygote: Zygote) -> Iterator[Attempt]:
    attempt = Attempt(tmp_path / "ti-1.1", own_zygote)
    yield attempt
    attempt.clean_up()


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[]",
        b"{}",
        b"7",
        b'{"attempt_dir": 7}',
        b'{"attempt_dir": "relative"}',
        b'{"attempt_dir": "/\\u0000"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_a_malformed_request_is_answered_and_survived(zygote: Zygote, line: bytes) -> None:
    answer = zygote.ask(line)

    assert answer["code"] == "malformed"
    assert answer["error"]


def test_a_directory_that_is_not_there_is_an_answer(zygote: Zygote, tmp_path: Path) -> None:
    answer = zygote.start(tmp_path / "nowhere")

    assert answer["code"] == "unusable"
    assert "nowhere" in answer["error"]


def test_the_lock_is_held_when_the_zygote_answers(attempt: Attempt) -> None:
    hello, go = attempt.fifo("hello"), attempt.fifo("go")
    attempt.start(shell("echo > hello; read x < go"))

    free = attempt.lock_is_free()
    second = attempt.zygote.start(attempt.path)
    read_line(hello)
    os.write(go, b"\n")
    attempt.wait()

    assert not free
    assert second["code"] == "running"


def test_an_attempt_that_has_ended_is_not_started_again(attempt: Attempt) -> None:
    attempt.start(shell("echo once >> count")).wait()

    answer = attempt.zygote.start(attempt.path)

    assert answer["code"] == "ended"


def test_a_host_that_was_killed_leaves_a_lost_attempt_and_no_process(attempt: Attempt) -> None:
    pids = attempt.fifo("pids")
    attempt.start(shell("echo $$ > pids; (setsid sleep 3600 & echo $! > pids); sleep 3600"))
    text = ""
    while text.count("\n") < 2:
        text += read_line(pids)

    os.kill(attempt.pid, signal.SIGKILL)
    attempt.wait_gone()
    for pid in map(int, text.split()):
        wait_dead(pid)
    again = attempt.zygote.start(attempt.path)

    assert attempt.lock_is_free()
    assert not (attempt.path / "ending.json").exists()
    assert again["code"] == "lost"


def test_hosts_outlive_a_killed_zygote(own_attempt: Attempt) -> None:
    task = own_attempt.talking()

    own_attempt.zygote.process.kill()
    own_attempt.zygote.process.wait(WAIT_S)
    status, _ = task.request("PUT", "/v1/result", {"value": 7})
    task.end(0)
    ending = own_attempt.wait()

    assert status == 204
    assert ending["kind"] == "success"
    assert own_attempt.xcom("return_value") == 7


def test_a_zygote_without_input_ends_after_its_last_host(own_attempt: Attempt) -> None:
    task = own_attempt.talking()
    zygote = own_attempt.zygote.process
    assert zygote.stdin is not None

    zygote.stdin.close()
    status, _ = task.request("GET", "/v1/context")
    running_while_a_host_is = zygote.poll() is None
    task.end(0)
    own_attempt.wait()

    assert status == 200
    assert running_while_a_host_is
    assert zygote.wait(WAIT_S) == 0


async def test_the_client_starts_hosts_and_replaces_a_zygote_that_died(tmp_path: Path, zygote: Zygote) -> None:
    client = HostZygote()
    first, second = Attempt(tmp_path / "a", zygote), Attempt(tmp_path / "b", zygote)
    for attempt in (first, second):
        attempt.start_host = lambda: None  # type: ignore[method-assign, assignment, return-value]  # only the lease is wanted
        attempt.start(shell("true"))

    pid = await client.start_host(first.path, team="plant")
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    other = await client.start_host(second.path, team="plant")
    wait_dead(pid)
    wait_dead(other)
    with pytest.raises(HostNotStartedError) as refused:
        await client.start_host(second.path, team="plant")
    await client.close()

    assert json.loads((first.path / "ending.json").read_text())["kind"] == "success"
    assert json.loads((second.path / "ending.json").read_text())["kind"] == "success"
    assert refused.value.code == "ended"


def test_one_host_can_be_run_by_hand(attempt: Attempt) -> None:
    attempt.start_host = lambda: attempt  # type: ignore[method-assign]  # only the lease is wanted
    attempt.start(shell("exit 3"))
    command = zygote_command()
    command[-1] = command[-1].replace("main()", "main(sys.argv[1:])")

    done = subprocess.run(
        [*command, "attempt-host", str(attempt.path)], capture_output=True, timeout=WAIT_S, check=False
    )
    again = subprocess.run(
        [*command, "attempt-host", str(attempt.path)], capture_output=True, timeout=WAIT_S, check=False
    )

    assert done.returncode == again.returncode == 1
    assert json.loads(done.stdout)["message"] == "exit status 3"
    assert b"has ended" in again.stderr


def test_the_host_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    listed = zygote_command()[-1].rpartition("; sys.exit")[0] + "; print('\\n'.join(sys.modules))"

    modules = subprocess.run(
        [sys.executable, "-I", "-S", "-c", listed], capture_output=True, text=True, check=True, timeout=WAIT_S
    ).stdout.split()

    ours = ("leasehold", "leasehold_agent")
    foreign = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - set(ours)
    assert {name for name in foreign if not name.startswith("_")} == set()
    assert "leasehold_protocol" not in modules


def test_the_host_knows_its_distributions_version() -> None:
    assert version("leasehold-agent") == HOST_VERSION


def test_what_outlived_host_and_zygote_is_found_and_killed(own_attempt: Attempt) -> None:
    pids = own_attempt.fifo("pids")
    own_attempt.start(shell("(setsid sleep 3600 & echo $! > pids); echo $$ > pids; sleep 3600"))
    text = ""
    while text.count("\n") < 2:
        text += read_line(pids)
    own_attempt.zygote.process.kill()
    own_attempt.zygote.process.wait(WAIT_S)
    os.kill(own_attempt.pid, signal.SIGKILL)
    own_attempt.wait_gone()

    killed = kill_remains(own_attempt.path)

    assert {int(pid) for pid in text.split()} <= set(killed)
    assert kill_remains(own_attempt.path) == []
