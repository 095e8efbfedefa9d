"""The agent as a process, with real attempt hosts, against an API over loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from leasehold_agent.exits import Exit
from leasehold_protocol.v1.agents import AttemptState
from leasehold_protocol.v1.leases import EndingKind
from tests.edge_agent.model_api import TOKEN, ModelApi, shell_lease
from tests.edge_agent.test_commands import edge_agent


@pytest.fixture
async def api() -> AsyncIterator[ModelApi]:
    async with ModelApi().serve() as model:
        yield model


@pytest.fixture
async def state(api: ModelApi, tmp_path: Path) -> Path:
    ended = await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", str(tmp_path / "state"))
    assert ended.code == Exit.OK
    return tmp_path / "state"


async def start(state: Path, *flags: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from leasehold_agent.cli import main; sys.exit(main())",
        "run",
        "--state-dir",
        str(state),
        "--slots",
        "2",
        *flags,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LEASEHOLD_AGENT_CONFIG": "/dev/null"},
    )


@asynccontextmanager
async def running(state: Path, *flags: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the agent while the block lasts."""
    process = await start(state, *flags)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, for 20 s at most."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.02)


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(20):
        return await process.wait()


def signalled(process: asyncio.subprocess.Process) -> bool:
    """Send TERM once more, until the process is gone: signals that come too fast count as one."""
    if process.returncode is None:
        process.terminate()
    return process.returncode is not None


def log_lines(api: ModelApi, attempt: str) -> list[str]:
    return [line.split(" ", 2)[2] for line in api.logs[attempt].decode().splitlines()]


async def test_once_takes_one_lease_delivers_it_whole_in_two_requests_and_ends(api: ModelApi, state: Path) -> None:
    api.offer(shell_lease("ti-1.1", "echo hello; echo 42"))
    api.offer(shell_lease("ti-2.1", "echo never"))

    async with running(state, "--once") as process:
        code = await ended(process)

    assert code == Exit.OK
    assert list(api.outcomes) == ["ti-1.1"]
    assert api.outcomes["ti-1.1"].ending.kind is EndingKind.SUCCESS
    assert log_lines(api, "ti-1.1") == ["hello", "42"]
    assert api.xcoms == {("ti-1.1", "return_value"): "42"}
    assert list((state / "attempts").iterdir()) == []
    work = [request for request in api.requests if request.split("/v1/")[-1] in ("agent/leases", "agent/outcomes")]
    assert work == ["POST /v1/agent/leases", "POST /v1/agent/outcomes"]


async def test_the_answer_to_an_outcome_brings_the_next_lease(api: ModelApi, state: Path) -> None:
    for n in range(6):
        api.offer(shell_lease(f"ti-{n}.1", "true"))

    async with running(state):
        for n in range(6):
            await api.wait_for_outcome(f"ti-{n}.1")

    assert api.requests.count("POST /v1/agent/leases") < 6


async def test_a_long_log_is_streamed_while_the_task_runs(api: ModelApi, state: Path, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    script = f"seq 1 40000; while [ ! -e {go_on} ]; do sleep 0.05; done; echo end"

    async with running(state):
        api.offer(shell_lease("ti-1.1", script))
        await until(lambda: api.logs["ti-1.1"].endswith(b" 40000\n"))
        assert "ti-1.1" not in api.outcomes
        go_on.touch()
        await api.wait_for_outcome("ti-1.1")

    assert log_lines(api, "ti-1.1") == [*map(str, range(1, 40001)), "end"]


async def test_killing_the_agent_loses_nothing_the_next_one_attaches_again(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    async with running(state) as first:
        api.offer(shell_lease("ti-1.1", f"echo before; while [ ! -e {go_on} ]; do sleep 0.05; done; echo after"))
        await until(lambda: b"before" in api.logs["ti-1.1"])
        first.kill()
        await first.wait()

    async with running(state):
        await until(lambda: len(api.hellos) == 2)
        assert [(one.attempt, one.state) for one in api.hellos[1].attempts] == [("ti-1.1", AttemptState.RUNNING)]
        go_on.touch()
        outcome = await api.wait_for_outcome("ti-1.1")
        # Killed before it noted what the API had, the first agent leaves the rest of the log to follow the outcome.
        await until(lambda: b"after" in api.logs["ti-1.1"])

    assert outcome.ending.kind is EndingKind.SUCCESS
    assert log_lines(api, "ti-1.1") == ["before", "after"]


async def test_an_attempt_that_ended_while_no_agent_ran_is_delivered_by_the_next(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    async with running(state) as first:
        api.offer(shell_lease("ti-1.1", f"while [ ! -e {go_on} ]; do sleep 0.05; done; exit 3"))
        await until(lambda: (state / "attempts" / "ti-1.1" / "host.sock").exists())
        first.kill()
        await first.wait()
    go_on.touch()
    await until(lambda: (state / "attempts" / "ti-1.1" / "ending.json").exists())

    async with running(state):
        outcome = await api.wait_for_outcome("ti-1.1")

    assert (outcome.ending.kind, outcome.ending.exit_code) == (EndingKind.FAILED, 3)


async def test_a_host_that_was_killed_is_reported_as_lost(api: ModelApi, state: Path) -> None:
    async with running(state):
        api.offer(shell_lease("ti-1.1", "echo begun; sleep 60"))
        host = state / "attempts" / "ti-1.1" / "host.json"
        await until(lambda: b"begun" in api.logs["ti-1.1"])
        os.kill(json.loads(host.read_text())["pid"], signal.SIGKILL)
        outcome = await api.wait_for_outcome("ti-1.1")

    assert outcome.ending.kind is EndingKind.LOST


async def test_a_cancelled_lease_stops_the_task(api: ModelApi, state: Path) -> None:
    async with running(state):
        api.offer(shell_lease("ti-1.1", "echo begun; sleep 60"))
        await until(lambda: b"begun" in api.logs["ti-1.1"])
        api.renewal_verdicts["ti-1.1"] = "cancelled"
        outcome = await api.wait_for_outcome("ti-1.1")

    assert outcome.ending.kind is EndingKind.CANCELLED


async def test_the_first_signal_drains_and_the_second_cancels(api: ModelApi, state: Path) -> None:
    async with running(state) as process:
        api.offer(shell_lease("ti-1.1", "echo begun; sleep 60"))
        await until(lambda: b"begun" in api.logs["ti-1.1"])
        process.terminate()
        await until(lambda: any(one.get("paused_because") for one in api.renewals))
        api.offer(shell_lease("ti-2.1", "echo never"))
        assert process.returncode is None
        process.terminate()
        code = await ended(process)

    assert code == Exit.OK
    assert api.outcomes["ti-1.1"].ending.kind is EndingKind.CANCELLED
    assert "ti-2.1" not in api.outcomes


async def test_the_third_signal_ends_the_agent_at_once_and_leaves_the_task_to_its_host(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    script = f"trap '' TERM; echo begun; while [ ! -e {go_on} ]; do sleep 0.05; done"
    async with running(state) as process:
        api.offer(shell_lease("ti-1.1", script))
        await until(lambda: b"begun" in api.logs["ti-1.1"])
        await until(lambda: signalled(process))
        code = await ended(process)
    go_on.touch()

    assert code == 128 + signal.SIGTERM
    await until(lambda: (state / "attempts" / "ti-1.1" / "ending.json").exists())


async def test_a_full_disk_is_said_and_no_lease_is_asked_for(api: ModelApi, state: Path) -> None:
    config = state / "agent.toml"
    config.write_text("disk_low_water_mb = 1000000000\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from leasehold_agent.cli import main; sys.exit(main())",
        "run",
        "--state-dir",
        str(state),
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LEASEHOLD_AGENT_CONFIG": str(config)},
    )
    try:
        await until(lambda: bool(api.renewals))
        status = await edge_agent("status", "--json", "--state-dir", str(state))
    finally:
        process.terminate()
        await ended(process)

    assert "disk" in api.renewals[0]["paused_because"][0]
    assert "disk_low_water_mb" in json.loads(status.out)["paused_because"][0]
    assert "POST /v1/agent/leases" not in api.requests


async def test_status_shows_what_runs(api: ModelApi, state: Path) -> None:
    async with running(state):
        api.offer(shell_lease("ti-1.1", "echo begun; sleep 60"))
        await until(lambda: b"begun" in api.logs["ti-1.1"])
        status = json.loads((await edge_agent("status", "--json", "--state-dir", str(state))).out)
        text = (await edge_agent("status", "--state-dir", str(state))).out
        api.renewal_verdicts["ti-1.1"] = "lost"
        await api.wait_for_outcome("ti-1.1")

    assert status["running"] is True
    assert status["link"] == "connected"
    assert [(one["attempt"], one["phase"]) for one in status["attempts"]] == [("ti-1.1", "running")]
    assert "1 of 2 taken" in text


async def test_delivered_attempts_stay_for_a_look_when_asked_for(api: ModelApi, state: Path) -> None:
    api.offer(shell_lease("ti-1.1", "echo hello"))

    async with running(state, "--once", "--keep-attempts", "5") as process:
        await ended(process)
    listed = await edge_agent("attempts", "list", "--state-dir", str(state))
    log = await edge_agent("attempts", "log", "ti-1.1", "--state-dir", str(state))
    shown = await edge_agent("attempts", "show", "ti-1.1", "--state-dir", str(state))

    assert "ti-1.1" in listed.out
    assert "delivered" in listed.out
    assert log.out.endswith("stdout hello\n")
    assert json.loads(shown.out)["delivered"]["outcome"] == "recorded"
    assert "task-token" not in shown.out


async def test_a_bundle_that_is_broken_is_the_attempts_own_ending(api: ModelApi, state: Path) -> None:
    lease = shell_lease("ti-1.1", "true").model_copy(update={"bundle": "0" * 64})
    api.bundles["0" * 64] = b"not what it says"
    api.offer(lease)

    async with running(state, "--once") as process:
        code = await ended(process)

    assert code == Exit.OK
    ending = api.outcomes["ti-1.1"].ending
    assert ending.kind is EndingKind.COULD_NOT_START
    assert ending.message is not None
    assert "another hash" in ending.message


LEASES, RENEWALS = "/v1/agent/leases", "/v1/agent/renewals"


async def test_a_locked_agent_that_may_renew_finishes_and_delivers_what_it_holds(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    async with running(state):
        api.offer(shell_lease("ti-1.1", f"while [ ! -e {go_on} ]; do sleep 0.02; done; echo 7"))
        await until(lambda: any(each.get("leases") for each in api.renewals))
        before = len(api.renewals)
        api.lock(LEASES)
        await until(lambda: len(api.renewals) > before + 1)
        go_on.touch()

        outcome = await api.wait_for_outcome("ti-1.1")

    assert outcome.ending.kind is EndingKind.SUCCESS


async def test_a_locked_agent_that_may_not_renew_stops_what_it_holds_and_keeps_it_on_disk(
    api: ModelApi, state: Path
) -> None:
    async with running(state):
        api.offer(shell_lease("ti-1.1", "sleep 60"))
        await until(lambda: any(each.get("leases") for each in api.renewals))
        api.lock(LEASES, RENEWALS, "/v1/agent/outcomes", "/v1/attempts/ti-1.1/log")

        ending = state / "attempts" / "ti-1.1" / "ending.json"
        await until(ending.exists)

    assert json.loads(ending.read_text())["kind"] == "cancelled"


async def test_a_running_agent_rotates_its_key_when_the_operator_says_so_and_goes_on(
    api: ModelApi, state: Path
) -> None:
    before = json.loads((await edge_agent("identity", "show", "--json", "--state-dir", str(state))).out)
    async with running(state):
        await until(lambda: (state / "control.sock").exists() and bool(api.hellos))
        ended = await edge_agent("identity", "rotate", "--state-dir", str(state))
        api.offer(shell_lease("ti-1.1", "true"))
        await api.wait_for_outcome("ti-1.1")

    after = json.loads((await edge_agent("identity", "show", "--json", "--state-dir", str(state))).out)
    assert ended.code == Exit.OK, ended.err
    assert after["key_thumbprint"] in ended.out
    assert after["key_thumbprint"] != before["key_thumbprint"]
    assert len(api.proposed) == 1
