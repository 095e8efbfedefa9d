"""What lies between a task and the one after it: from the first line of the one to the first line of the other."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from benchmarks.figures import Aim, Figure, percentile
from benchmarks.floors import Floors
from benchmarks.stage import open_stage

DAG = '''\
"""A chain of tasks that say when they began, and do nothing else."""

import time

from leasehold import chain, dag, task


@task
def now() -> int:
    return time.time_ns()


@dag
def in_a_row() -> None:
    chain(*(now.override(id=f"now_{{number}}")() for number in range({length})))
'''


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Run a chain a few times, over push; report the best median (others share the machine)."""
    length, times = (20, 1) if quick else (100, 3)
    with open_stage(home, link="push") as stage:
        stage.place.deploy("in_a_row", DAG.format(length=length))
        hops = [_hops_ms(stage.timed_run("in_a_row")[1]) for _ in range(times)]
    note = f"a chain of {length} no-op tasks, push; each starts a process, and its result is durable before the next"
    return [
        Figure(
            name="a task's first line → the next one's, p50",
            value=min(percentile(each, 0.5) for each in hops),
            unit="ms",
            floor=floors.interpreter,
            aim=Aim(value=15),
            note=note,
        )
    ]


def _hops_ms(run: dict[str, object]) -> list[float]:
    tasks = cast("list[dict[str, Any]]", run["tasks"])
    began = sorted(int(task["result"]) for task in tasks)
    return [(later - earlier) / 1e6 for earlier, later in pairwise(began)]
