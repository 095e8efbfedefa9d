"""Who is killed in the middle of a forked task, and what becomes of it: nothing runs on, nothing runs twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasehold_agent.host.remains import kill_remains
from tests.edge_agent.host.harness import WAIT_S, is_alive, wait_dead
from tests.edge_agent.host.warm_bundle import Bundles, Waiting, name_of, parent_of

DAEMON = """
    import os, subprocess, sys

    def work():
        daemon = subprocess.Popen(["sh", "-c", "setsid sleep 3600 & echo $!"], stdout=subprocess.PIPE)
        with open("hello", "w") as hello:
            hello.write(f"{os.getpid()} {int(daemon.stdout.readline())}\\n")
        sys.exit(int(open("go").readline()))
"""


@pytest.fixture
def bundles(tmp_path: Path) -> Iterator[Bundles]:
    bundles = Bundles(tmp_path)
    yield bundles
    bundles.close()


@pytest.fixture
def waiting(bundles: Bundles) -> Waiting:
    return bundles.begin_waiting()


@pytest.mark.parametrize("status", [0, 3])
def test_its_exit_is_known_though_the_task_zygote_was_killed(waiting: Waiting, status: int) -> None:
    zygote = parent_of(waiting.keeper)

    os.kill(zygote, signal.SIGKILL)
    wait_dead(zygote)
    waiting.end(status)
    ending = waiting.attempt.wait()

    assert (ending["kind"], ending["exit_code"]) == ("failed" if status else "success", status)
    assert ending["usage"]["cpu_s"] > 0


def test_the_next_task_is_forked_from_a_new_zygote(bundles: Bundles, waiting: Waiting) -> None:
    zygote = parent_of(waiting.keeper)

    os.kill(zygote, signal.SIGKILL)
    wait_dead(zygote)
    second = bundles.begin_waiting()
    name = name_of(parent_of(second.keeper))
    for one in (waiting, second):
        one.end(0)
        one.attempt.wait()

    assert name == "task-zygote"


def test_its_exit_is_known_though_every_zygote_was_killed(bundles: Bundles, waiting: Waiting) -> None:
    zygote = parent_of(waiting.keeper)

    bundles.zygote.process.kill()
    bundles.zygote.process.wait(WAIT_S)
    os.kill(zygote, signal.SIGKILL)
    wait_dead(zygote)
    waiting.end(3)
    ending = waiting.attempt.wait()

    assert ending["exit_code"] == 3


def test_the_attempt_is_lost_with_its_keeper_and_nothing_runs_on(bundles: Bundles) -> None:
    waiting = bundles.begin_waiting(DAEMON)
    daemon = int(waiting.said)

    os.kill(waiting.keeper, signal.SIGKILL)
    ending = waiting.attempt.wait()

    assert ending["kind"] == "lost"
    assert "nobody knows how the task ended" in ending["message"]
    assert not is_alive(waiting.task)
    assert not is_alive(daemon)


def test_nothing_runs_on_when_keeper_and_host_zygote_were_killed(bundles: Bundles) -> None:
    waiting = bundles.begin_waiting(DAEMON)
    daemon, keeper = int(waiting.said), waiting.keeper

    bundles.zygote.process.kill()
    bundles.zygote.process.wait(WAIT_S)
    os.kill(keeper, signal.SIGKILL)
    ending = waiting.attempt.wait()

    assert ending["kind"] == "lost"
    assert not is_alive(waiting.task)
    assert not is_alive(daemon)


def test_nothing_runs_on_when_its_host_was_killed(bundles: Bundles) -> None:
    waiting = bundles.begin_waiting(DAEMON)
    keeper = waiting.keeper

    os.kill(waiting.attempt.pid, signal.SIGKILL)
    waiting.attempt.wait_gone()
    for pid in (waiting.task, int(waiting.said), keeper):
        wait_dead(pid)

    assert waiting.attempt.lock_is_free()
    assert not (waiting.attempt.path / "ending.json").exists()


def test_what_outlived_everybody_is_found_and_killed(bundles: Bundles) -> None:
    waiting = bundles.begin_waiting(DAEMON)
    keeper = waiting.keeper

    os.kill(keeper, signal.SIGSTOP)  # it would see to it
    bundles.zygote.process.kill()
    bundles.zygote.process.wait(WAIT_S)
    os.kill(waiting.attempt.pid, signal.SIGKILL)
    waiting.attempt.wait_gone()
    killed = kill_remains(waiting.attempt.path)
    os.kill(keeper, signal.SIGCONT)

    assert {waiting.task, int(waiting.said)} <= set(killed)
    assert kill_remains(waiting.attempt.path) == []
    wait_dead(keeper)


def test_what_a_task_leaves_behind_is_named_and_killed(bundles: Bundles) -> None:
    waiting = bundles.begin_waiting(DAEMON)

    waiting.end(0)
    ending = waiting.attempt.wait()

    assert ending["kind"] == "success"
    assert not is_alive(int(waiting.said))
    assert any(f"sleep ({waiting.said})" in text for text in waiting.attempt.texts("agent"))


def test_a_cancelled_task_ends_with_everything_it_started(bundles: Bundles) -> None:
    waiting = bundles.begin_waiting(DAEMON)

    with waiting.attempt.control() as agent:
        agent.say(do="cancel", reason="not wanted", grace_s=10)
        ending = waiting.attempt.wait()

    assert (ending["kind"], ending["exit_code"]) == ("cancelled", 143)
    assert not is_alive(int(waiting.said))


def test_a_task_that_ignores_its_cancellation_is_killed(bundles: Bundles) -> None:
    stubborn = DAEMON.replace("def work():", "def work():\n        import signal; signal.signal(15, signal.SIG_IGN)")
    waiting = bundles.begin_waiting(stubborn)

    with waiting.attempt.control() as agent:
        agent.say(do="cancel", grace_s=0.05)
        ending = waiting.attempt.wait()

    assert (ending["kind"], ending["signal"]) == ("cancelled", signal.SIGKILL)
    assert not is_alive(int(waiting.said))


def test_a_task_that_takes_too_long_is_ended(bundles: Bundles) -> None:
    waiting = bundles.begin_waiting(timeout_s=0.5)

    ending = waiting.attempt.wait()

    assert ending["kind"] == "timed_out"
    assert not is_alive(waiting.task)


def test_the_sites_memory_limit_holds_for_a_forked_task(bundles: Bundles) -> None:
    plant = bundles.write("""
        import resource

        def work():
            print(resource.getrlimit(resource.RLIMIT_AS))
            bytes(2**29)
    """)

    attempt = bundles.begin(plant, limits={"memory_bytes": 2**28})
    ending = attempt.wait()

    assert "MemoryError" in ending["message"]
    assert attempt.texts("stdout") == [f"({2**28}, {2**28})"]


def test_what_a_forked_task_used_is_counted(bundles: Bundles) -> None:
    plant = bundles.write("""
        import time

        def work():
            kept = b"x" * 2**26
            while time.process_time() < 0.3:
                pass
    """)

    usage = bundles.begin(plant).wait()["usage"]

    assert 0.3 <= usage["cpu_s"] < 5
    assert usage["max_rss_bytes"] > 2**26
