"""What a running task's own calls take: a variable asked of the API, and how fast its output reaches the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from benchmarks.figures import Aim, Figure
from benchmarks.floors import Floors
from benchmarks.stage import Stage, open_stage

LOG_MIB = 64
DAGS = '''\
"""Tasks that measure their own calls."""

import sys
import time
from statistics import median

from leasehold import Variable, dag, task


@task(variables=["limit"])
def asks() -> float:
    spans = []
    for _ in range({times}):
        began = time.perf_counter()
        Variable.get("limit")
        spans.append(time.perf_counter() - began)
    return median(spans) * 1000


@task
def prints() -> float:
    lines = ("x" * 99 + "\\n") * 10_000
    rounds = {mib} * 2**20 // len(lines)
    began = time.perf_counter()
    for _ in range(rounds):
        sys.stdout.write(lines)
    sys.stdout.flush()
    return rounds * len(lines) / 1e6 / (time.perf_counter() - began)


@dag
def asking() -> None:
    asks()


@dag
def printing() -> None:
    prints()
'''


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Run both tasks on a warm agent; they say themselves how long it took."""
    times, mib = (50, LOG_MIB // 4) if quick else (500, LOG_MIB)
    with open_stage(home) as stage:
        stage.place.command("leasehold", "variables", "set", "limit", "7")
        stage.place.deploy("calls", DAGS.format(times=times, mib=mib))
        asked, printed = _result(stage, "asking"), _result(stage, "printing")
    return [
        Figure(
            name="Variable.get through the API, p50",
            value=asked,
            unit="ms",
            floor=floors.commit,
            aim=Aim(value=5),
            note=f"{times} times, one after the other, in one task",
        ),
        Figure(
            name="a task's log to disk",
            value=printed,
            unit="MB/s",
            aim=Aim(value=50, at_most=False),
            note=f"{mib} MiB in lines of 100 bytes, until the task may go on",
        ),
    ]


def _result(stage: Stage, dag: str) -> float:
    _, run = stage.timed_run(dag)
    (task,) = cast("list[dict[str, Any]]", run["tasks"])
    return float(task["result"])
