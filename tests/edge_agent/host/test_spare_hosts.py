"""Hosts that take one attempt after another: which do, what they forget in between, and when they end."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge_agent.host.harness import WAIT_S, Attempt, shell, wait_dead
from tests.edge_agent.host.warm_bundle import Bundles

NOTHING = """
    def work():
        return 7
"""
MASKING = """
    import leasehold

    def work():
        leasehold.mask("open-sesame")
"""


_AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="a host's /proc entries are closed to others")


@pytest.fixture
def bundles(tmp_path: Path) -> Iterator[Bundles]:
    bundles = Bundles(tmp_path)
    yield bundles
    bundles.close()


DECLARES_NOTHING: dict[str, Any] = {"connections": [], "variables": []}


def _served(bundles: Bundles, code: str = NOTHING) -> Attempt:
    """Run an attempt to its end, and wait until its host can take another."""
    attempt = bundles.begin(bundles.write(code), **DECLARES_NOTHING)
    assert attempt.wait()["kind"] == "success", attempt.log
    _wait_spare(attempt.pid)
    return attempt


def _wait_spare(pid: int) -> None:
    """The name is set just before the zygote is told: a request that follows may still come sooner, so ask it."""
    fd = os.pidfd_open(pid)
    try:
        for _ in range(int(WAIT_S * 100)):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "spare-host":
                return
            select.select([fd], [], [], 0.01)
    finally:
        os.close(fd)
    raise AssertionError(f"host {pid} is not spare")


def test_a_host_serves_one_attempt_after_another(bundles: Bundles) -> None:
    pids = [_served(bundles).pid for _ in range(8)]

    assert len(set(pids)) < len(pids)


@_AS_ROOT
def test_the_lock_of_a_finished_attempt_is_free_while_its_host_lives_on(bundles: Bundles) -> None:
    attempt = _served(bundles)

    assert attempt.lock_is_free()
    assert not (attempt.path / "host.sock").exists()
    assert Path(f"/proc/{attempt.pid}/cwd").readlink() == attempt.path.parent


def test_a_host_whose_task_was_its_own_child_is_not_used_again(bundles: Bundles) -> None:
    attempt = bundles.begin(bundles.write(NOTHING), isolation="fresh", **DECLARES_NOTHING)

    attempt.wait()

    attempt.wait_gone()


@pytest.mark.parametrize("declared", [{"connections": ["plant_db"]}, {"variables": ["limits/upper"]}], ids=str)
def test_a_host_whose_task_could_ask_for_secrets_is_not_used_again(
    bundles: Bundles, declared: dict[str, list[str]]
) -> None:
    attempt = bundles.begin(bundles.write(NOTHING), **DECLARES_NOTHING | declared)

    attempt.wait()

    attempt.wait_gone()


@pytest.mark.parametrize("secret", ["open-sesame", "123"], ids=["a secret", "one too short to be masked"])
def test_a_host_that_was_told_a_secret_is_not_used_again(bundles: Bundles, secret: str) -> None:
    waiting = bundles.begin_waiting(**DECLARES_NOTHING)
    with waiting.attempt.control() as agent:
        agent.hear()
        agent.say(do="mask", values=[secret])
        agent.say(do="nonsense")
        agent.hear_until(lambda message: message.get("tell") == "not_understood")
        waiting.end(0)
        waiting.attempt.wait()

    waiting.attempt.wait_gone()


def test_a_host_whose_task_named_a_secret_is_not_used_again(bundles: Bundles) -> None:
    attempt = bundles.begin(bundles.write(MASKING), **DECLARES_NOTHING)

    attempt.wait()

    attempt.wait_gone()


def test_a_host_serves_one_team_only(bundles: Bundles) -> None:
    spare = _served(bundles).pid
    bundles.zygote.team = "another"

    other = bundles.begin(bundles.write(NOTHING), team="another", **DECLARES_NOTHING)
    other.wait()

    assert other.pid != spare


def test_an_attempt_goes_to_a_new_host_when_the_spare_one_was_killed(bundles: Bundles) -> None:
    spare = _served(bundles).pid
    os.kill(spare, signal.SIGKILL)
    wait_dead(spare)

    assert _served(bundles).pid != spare


def test_a_spare_host_ends_with_its_zygote(bundles: Bundles) -> None:
    spare = _served(bundles).pid

    bundles.zygote.process.kill()

    wait_dead(spare)
    bundles.zygote.process.wait(WAIT_S)


def test_a_spare_host_ends_when_the_agent_lets_go_of_the_zygote(bundles: Bundles) -> None:
    spare = _served(bundles).pid

    bundles.zygote.close()

    wait_dead(spare)


def test_a_spare_host_ends_when_nothing_comes(bundles: Bundles) -> None:
    wait_dead(_served(bundles).pid)


@_AS_ROOT
def test_a_spare_host_leaves_no_file_of_its_attempt_open(bundles: Bundles) -> None:
    attempts = [_served(bundles) for _ in range(3)]

    opened = [str(path.readlink()) for path in Path(f"/proc/{attempts[-1].pid}/fd").iterdir()]

    assert not [name for name in opened if "ti-" in name]


def test_a_program_after_a_warm_task_is_counted_by_itself(bundles: Bundles, tmp_path: Path) -> None:
    _served(bundles)
    attempt = Attempt(tmp_path / "ti-90.1", bundles.zygote)
    bundles.attempts.append(attempt)

    ending = attempt.start(shell("exit 3")).wait()

    assert ending["exit_code"] == 3
    attempt.wait_gone()
