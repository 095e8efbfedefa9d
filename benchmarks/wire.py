"""What an agent costs that has nothing to do: memory, and bytes on the wire; and what one task adds on the wire."""

from __future__ import annotations

import re
import time
from pathlib import Path

from benchmarks.figures import Aim, Figure
from benchmarks.floors import Floors
from benchmarks.forwarder import Forwarder
from benchmarks.stage import Stage, open_stage

MIB = 1024 * 1024
POLLS = 2
POLL_S = 50.0
"""How long a poll waits for work, unless an admin changed it."""


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:  # noqa: ARG001 - all parts are called alike
    """Measure through a forwarder that counts; with ``quick`` nobody waits for idle minutes."""
    with open_stage(home, counts_bytes=True) as stage:
        assert stage.forwarder
        memory = _memory(stage)
        idle = [] if quick else _idle(stage.forwarder)
        return [*memory, *idle, *_per_task(stage, stage.forwarder, times=5 if quick else 20)]


def _memory(stage: Stage) -> list[Figure]:
    agent, zygote = _mapped(stage.agent.pid), _mapped(stage.zygote)
    return [
        Figure(name="idle agent, RSS", value=agent["Rss"], unit="MiB", aim=Aim(value=50)),
        Figure(name="idle agent, Pss", value=agent["Pss"], unit="MiB"),
        Figure(name="host zygote, RSS", value=zygote["Rss"], unit="MiB"),
        Figure(name="host zygote, Pss", value=zygote["Pss"], unit="MiB"),
    ]


def _mapped(pid: int) -> dict[str, float]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(kib) / 1024 for name, kib in re.findall(r"^(Rss|Pss): +(\d+) kB$", text, re.MULTILINE)}


def _idle(forwarder: Forwarder) -> list[Figure]:
    """Count from the beginning of one poll to that of another: a whole number of polls, with their answers."""
    _await_poll(forwarder)
    began, before = time.monotonic(), forwarder.counted
    for _ in range(POLLS):
        _await_poll(forwarder)
    passed, minutes = forwarder.counted - before, (time.monotonic() - began) / 60
    note = f"over {60 * minutes:.0f} s, {POLLS} polls; a new access token every 10 minutes not included"
    return [Figure(name="idle agent, on the wire", value=passed.bytes / minutes, unit="bytes/min", note=note)]


def _await_poll(forwarder: Forwarder) -> None:
    if not forwarder.wait_for_requests(forwarder.counted.requests + 1, seconds=2 * POLL_S):
        raise RuntimeError("the agent does not poll")


def _per_task(stage: Stage, forwarder: Forwarder, *, times: int) -> list[Figure]:
    before = forwarder.counted
    for _ in range(times):
        stage.timed_run("single")
    passed = forwarder.counted - before
    note = f"mean of {times} runs of one task, one after the other; headers included, TLS not"
    return [
        Figure(name="requests per no-op task", value=passed.requests / times, unit="requests", note=note),
        Figure(name="bytes per no-op task", value=passed.bytes / times, unit="bytes", note=note),
    ]
