"""Keepers that take one task after another: what the next task finds, and when they end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge_agent.host.harness import WAIT_S, wait_dead
from tests.edge_agent.host.warm_bundle import Bundles

TELLING = """
    import ctypes, os, signal, sys, time

    def work():
        parent = os.getppid()
        return {
            "keeper": parent,
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
            "ignored": sorted(n for n in signal.valid_signals() if signal.getsignal(n) == signal.SIG_IGN),
            "files": len(os.listdir("/proc/self/fd")[:-1]),
            "attempt": open("/proc/self/environ").read().count(os.environ["LEASEHOLD_ATTEMPT"]),
            "may be traced": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
        }
"""
BUSY = """
    import time

    def work():
        room = bytearray(64 * 1024 * 1024)
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
        return len(room)
"""


@pytest.fixture
def bundles(tmp_path: Path) -> Iterator[Bundles]:
    bundles = Bundles(tmp_path)
    yield bundles
    bundles.close()


def _warm(bundles: Bundles) -> Any:
    """Run tasks until the one that reported its imports is over and its successor serves; return the last result."""
    seen: list[int] = []

    def is_kept(found: Any) -> bool:
        seen.append(found["keeper"])
        return seen.count(seen[-1]) > 1

    return bundles.run_until(bundles.write(TELLING), is_kept, "a keeper has had two tasks")


def test_a_keeper_has_one_task_after_another(bundles: Bundles) -> None:
    found = _warm(bundles)

    assert found | {"keeper": 0} == {
        "keeper": 0,
        "blocked": [],
        "ignored": found["ignored"],
        "files": 4,  # the streams, and the line to its host
        "attempt": 1,
        "may be traced": 1,
    }
    assert not {signal.SIGTERM, signal.SIGINT, signal.SIGHUP} & set(found["ignored"])


def test_what_a_task_used_is_its_own(bundles: Bundles) -> None:
    keeper = _warm(bundles)["keeper"]
    busy = bundles.begin(bundles.write(BUSY))
    heavy = busy.wait()["usage"]

    light = bundles.begin(bundles.write(TELLING))
    usage = light.wait()["usage"]

    assert light.xcom("return_value")["keeper"] == keeper
    assert heavy["cpu_s"] >= 0.2 > usage["cpu_s"]
    assert heavy["max_rss_bytes"] > usage["max_rss_bytes"] + 32 * 1024 * 1024


def test_a_keeper_that_was_killed_between_two_tasks_is_replaced(bundles: Bundles) -> None:
    keeper = _warm(bundles)["keeper"]

    os.kill(keeper, signal.SIGKILL)
    wait_dead(keeper)

    assert bundles.run(bundles.write(TELLING))["keeper"] != keeper


def test_a_keeper_ends_when_nobody_needs_it(bundles: Bundles) -> None:
    wait_dead(_warm(bundles)["keeper"])


def test_a_keeper_ends_with_the_zygotes(bundles: Bundles) -> None:
    keeper = _warm(bundles)["keeper"]

    bundles.zygote.close()

    wait_dead(keeper)
    bundles.zygote.process.wait(WAIT_S)
