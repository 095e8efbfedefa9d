"""What a site's operator tells the running agent, and what it says of itself: a real process and its sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from leasehold_agent.exits import Exit
from leasehold_agent.local_socket import reachable
from leasehold_protocol.v1.leases import EndingKind
from tests.edge_agent.model_api import ModelApi, shell_lease
from tests.edge_agent.test_agent import api, ended, start, state, until
from tests.edge_agent.test_commands import Ended, edge_agent

__all__ = ["api", "state"]  # fixtures


async def told(state: Path, *words: str) -> Ended:
    return await edge_agent(*words, "--state-dir", str(state))


async def status(state: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads((await told(state, "status", "--json")).out)
    return answer


@asynccontextmanager
async def running(state: Path, *flags: str, config: Path | None = None) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run the agent while the block lasts; it takes orders when the block begins."""
    for name in ("control.sock", "metrics.sock"):
        (state / name).unlink(missing_ok=True)  # an agent that was killed left them
    if config is None:
        process = await start(state, *flags)
    else:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "import sys; from leasehold_agent.cli import main; sys.exit(main())"),
            *("run", "--state-dir", str(state), *flags),
            stderr=asyncio.subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LEASEHOLD_AGENT_CONFIG": str(config)},
        )
    try:
        await until(lambda: (state / "control.sock").exists() and (state / "metrics.sock").exists())
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def reasons_until(state: Path, wanted: list[str]) -> dict[str, Any]:
    """Return the status once exactly these reasons hold."""
    async with asyncio.timeout(30):
        while True:
            now = await status(state)
            if [reason["name"] for reason in now["reasons"]] == wanted:
                return now
            await asyncio.sleep(0.05)


async def get(state: Path, path: str) -> tuple[int, str]:
    with reachable(state / "metrics.sock") as name:
        reader, writer = await asyncio.open_unix_connection(name)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: agent\r\n\r\n".encode())
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_a_pause_keeps_new_work_out_survives_a_restart_and_is_ended_by_resume(api: ModelApi, state: Path) -> None:
    async with running(state):
        paused = await told(state, "pause", "--note", "disk is replaced")
    api.offer(shell_lease("ti-1.1", "true"))
    async with running(state):
        shown = await told(state, "status")
        still = await status(state)
        resumed = await told(state, "resume")
        await api.wait_for_outcome("ti-1.1")

    assert paused.code == Exit.OK, paused.err
    assert "disk is replaced" in paused.out
    assert "operator since" in shown.out
    [reason] = still["reasons"]
    assert (reason["name"], reason["blocks"]) == ("operator", True)
    assert "disk is replaced" in reason["text"]
    assert resumed.out == "Work is taken again.\n"
    assert not (state / "pause.json").exists()


async def test_a_pause_for_a_time_ends_by_itself(api: ModelApi, state: Path) -> None:
    async with running(state):
        await told(state, "pause", "--for", "1s")
        api.offer(shell_lease("ti-1.1", "true"))
        await api.wait_for_outcome("ti-1.1")
        after = await status(state)

    assert after["reasons"] == []


async def test_a_record_of_a_pause_that_is_damaged_still_pauses(api: ModelApi, state: Path) -> None:
    (state / "pause.json").write_text("{")

    async with running(state):
        shown = await status(state)

    assert "pause.json can't be read" in shown["paused_because"][0]


async def test_the_api_hears_why_no_work_is_taken(api: ModelApi, state: Path) -> None:
    async with running(state):
        await told(state, "pause", "--note", "audit")
        await until(lambda: any("audit" in str(renewal.get("paused_because")) for renewal in api.renewals))

    health = api.renewals[-1]["health"]
    assert health["reasons"][0]["name"] == "operator"
    assert health["disk_free_bytes"] > 0


async def test_drain_ends_the_agent_when_the_last_attempt_is_delivered(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    api.offer(shell_lease("ti-1.1", f"while [ ! -e {gate} ]; do sleep 0.05; done; echo done"))
    async with running(state) as process:
        await until(lambda: (state / "attempts" / "ti-1.1" / "host.json").exists())
        drained = await told(state, "drain")
        api.offer(shell_lease("ti-2.1", "echo never"))
        gate.touch()
        code = await ended(process)

    assert "ti-1.1 still runs" in drained.out
    assert code == Exit.OK
    assert list(api.outcomes) == ["ti-1.1"]
    assert api.outcomes["ti-1.1"].ending.kind is EndingKind.SUCCESS


async def test_stop_cancels_what_runs_and_ends(api: ModelApi, state: Path) -> None:
    api.offer(shell_lease("ti-1.1", "sleep 600"))
    async with running(state) as process:
        await until(lambda: (state / "attempts" / "ti-1.1" / "host.json").exists())
        stopped = await told(state, "stop", "--json")
        code = await ended(process)

    assert json.loads(stopped.out)["running"] == ["ti-1.1"]
    assert code == Exit.OK
    assert api.outcomes["ti-1.1"].ending.kind is EndingKind.CANCELLED


async def test_stop_by_force_leaves_what_runs_to_its_host(api: ModelApi, state: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    api.offer(shell_lease("ti-1.1", f"while [ ! -e {gate} ]; do sleep 0.05; done; echo done"))
    async with running(state) as process:
        await until(lambda: (state / "attempts" / "ti-1.1" / "host.json").exists())
        await told(state, "stop", "--force")
        await ended(process)
    gate.touch()
    async with running(state):
        outcome = await api.wait_for_outcome("ti-1.1")

    assert outcome.ending.kind is EndingKind.SUCCESS


@pytest.mark.parametrize("how", ["reload", "hangup"])
async def test_settings_are_read_again_and_those_that_take_a_restart_are_named(
    api: ModelApi, state: Path, tmp_path: Path, how: str
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("slots = 1\n")
    async with running(state, config=config) as process:
        await until(lambda: bool(api.hellos))
        config.write_text('slots = 3\nallow_http = true\n[labels]\nzone = "b"\n')
        if how == "reload":
            told_so = await told(state, "reload")
            assert told_so.out == "Changed: slots, labels. These take a restart: allow_http.\n"
        else:
            process.send_signal(signal.SIGHUP)
        await until(lambda: api.hellos[-1].slots == 3)
        after = await status(state)

    assert after["slots"] == 3
    assert api.hellos[-1].labels == {"zone": "b"}


async def test_settings_that_can_not_be_used_change_nothing(api: ModelApi, state: Path, tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("slots = 2\n")
    async with running(state, config=config):
        config.write_text("slots = 0\ndisk_low_water_mb = 7\n")
        refused = await told(state, "reload")
        after = await status(state)

    assert refused.code == Exit.REFUSED
    assert "slots = 0" in refused.err
    assert after["slots"] == 2


@pytest.mark.parametrize("order", ["pause", "resume", "drain", "stop", "reload"])
async def test_orders_without_an_agent_say_that_none_runs(api: ModelApi, state: Path, order: str) -> None:
    ended_with = await told(state, order)

    assert ended_with.code == Exit.NOT_RUNNING
    assert "edge-agent run" in ended_with.err


@pytest.mark.parametrize("length", ["soon", "-1h", "0s"])
async def test_a_length_that_is_none_is_refused(state: Path, length: str) -> None:
    ended_with = await told(state, "pause", f"--for={length}")

    assert ended_with.code == Exit.USAGE
    assert "--for 2h" in ended_with.err


async def test_orders_that_nobody_knows_are_answered(api: ModelApi, state: Path) -> None:
    async with running(state):
        for line in (b"\n", b'{"order": "explode"}\n', b"[]\n", b"\xff\n"):
            with reachable(state / "control.sock") as name:
                reader, writer = await asyncio.open_unix_connection(name)
            writer.write(line)
            answer = await asyncio.wait_for(reader.readline(), 10)
            writer.close()
            assert "does not know the order" in json.loads(answer)["error"]
        assert (await status(state))["running"]


async def test_metrics_are_what_prometheus_reads_and_count_what_happened(api: ModelApi, state: Path) -> None:
    async with running(state):
        api.offer(shell_lease("ti-1.1", "true"))
        await api.wait_for_outcome("ti-1.1")
        api.offer(shell_lease("ti-2.1", "exit 3"))
        await api.wait_for_outcome("ti-2.1")
        await told(state, "pause")
        await until(lambda: not any((state / "attempts").iterdir()))
        code, text = await get(state, "/metrics")
        healthy = await get(state, "/healthz")
        unknown = await get(state, "/elsewhere")
        mode = (state / "metrics.sock").stat().st_mode & 0o777

    families = {family.name: family for family in text_string_to_metric_families(text)}
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families.values()
        for sample in family.samples
    }
    assert code == 200
    assert values["leasehold_agent_leases_total",] == 2
    assert values["leasehold_agent_outcomes_total", "success"] == 1
    assert values["leasehold_agent_outcomes_total", "failed"] == 1
    assert values["leasehold_agent_link_up",] == 1
    assert values["leasehold_agent_reason", "operator", "true"] == 1
    assert values["leasehold_agent_takes_work",] == 0
    assert values["leasehold_agent_disk_free_bytes",] > 0
    assert values["leasehold_agent_resident_memory_bytes",] > 1e6
    assert all(family.documentation for family in families.values())
    assert healthy == (200, '{"healthy": true, "reasons": []}\n'), "an agent that was told to pause is well"
    assert unknown[0] == 404
    assert mode == 0o600


async def test_a_loopback_address_answers_when_it_is_asked_for(
    api: ModelApi, state: Path, tmp_path: Path, unused_tcp_port: int
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'metrics_address = "127.0.0.1:{unused_tcp_port}"\n')
    async with running(state, config=config):
        async with asyncio.timeout(20):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
        writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()

    assert answer.startswith(b"HTTP/1.1 ")


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "9464", "127.0.0.1:0", "192.0.2.1:9464"])
async def test_no_other_address_is_ever_listened_on(state: Path, address: str) -> None:
    ended_with = await edge_agent("config", "--state-dir", str(state), LEASEHOLD_AGENT_METRICS_ADDRESS=address)

    assert ended_with.code == Exit.USAGE
    assert "loopback" in ended_with.err


async def test_a_low_disk_keeps_work_out_with_its_reason_and_lets_it_in_again(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("disk_low_water_mb = 100000000\n")
    api.offer(shell_lease("ti-1.1", "true"))
    async with running(state, config=config):
        low = await reasons_until(state, ["disk"])
        sick = await get(state, "/healthz")
        config.write_text("disk_low_water_mb = 1\n")
        await told(state, "reload")
        await api.wait_for_outcome("ti-1.1")

    assert "disk_low_water_mb = 100000000" in low["paused_because"][0]
    assert low["disk"]["low_water_mb"] == 100000000
    assert sick[0] == 503
    assert "disk" in sick[1]


async def test_over_budget_what_is_kept_for_a_look_goes_first_and_then_work_is_taken_again(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("keep_attempts = 100\ndisk_budget_mb = 100\n")
    async with running(state, config=config):
        api.offer(shell_lease("ti-1.1", "dd if=/dev/zero of=big bs=1M count=3 2>/dev/null"))
        await api.wait_for_outcome("ti-1.1")
        await until(lambda: (state / "attempts" / "ti-1.1" / "delivered.json").exists())
        config.write_text("keep_attempts = 100\ndisk_budget_mb = 1\n")
        await told(state, "reload")
        await until(lambda: not (state / "attempts" / "ti-1.1").exists())
        api.offer(shell_lease("ti-2.1", "true"))
        await api.wait_for_outcome("ti-2.1")


async def test_an_agent_over_its_budget_with_nothing_to_remove_says_so_and_goes_on(
    api: ModelApi, state: Path, tmp_path: Path
) -> None:
    config, gate = tmp_path / "agent.toml", tmp_path / "gate"
    config.write_text("disk_budget_mb = 1\n")
    script = f"dd if=/dev/zero of=big bs=1M count=3 2>/dev/null; while [ ! -e {gate} ]; do sleep 0.05; done"
    api.offer(shell_lease("ti-1.1", script))
    async with running(state, config=config):
        over = await reasons_until(state, ["budget"])
        gate.touch()
        outcome = await api.wait_for_outcome("ti-1.1")
        await reasons_until(state, [])

    assert "disk_budget_mb = 1" in over["paused_because"][0]
    assert outcome.ending.kind is EndingKind.SUCCESS
