"""What packages cost a task: the first time, built from wheels that travel along, and every time after it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Aim, Figure, percentile
from benchmarks.floors import Floors
from benchmarks.stage import Stage, open_stage
from benchmarks.starting import first_lines_ms
from tests.support.wheels import make_wheel

PACKAGES = 13
DAG = """\
# /// script
# dependencies = [{dependencies}]
# [tool.leasehold]
# find-links = ["packages"]
# no-index = true
# wheels = true
# ///
import time

from leasehold import dag, task


@task
def now() -> int:
    return time.time_ns()


@dag
def first_packaged() -> None:
    now()
"""


def in_turns(stage: Stage, times: int) -> tuple[list[float], list[float]]:
    """Return the times (ms) to the first lines of tasks without and with packages: what else goes on meets both."""
    plain: list[float] = []
    packaged: list[float] = []
    for _ in range(times):
        plain += first_lines_ms(stage, "first_python", 1)[1]
        packaged += first_lines_ms(stage, "first_packaged", 1)[1]
    return plain, packaged


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure tasks with and without packages in turns, so that what else the machine does meets both alike."""
    times = 10 if quick else 60
    with open_stage(home, keeps_attempts=True) as stage:
        cold = first(stage)
        plain, packaged = in_turns(stage, times)
    note = f"{times} runs of each, in turns"
    return [
        Figure(
            name="lease received → first line, an environment built from carried wheels",
            value=cold,
            unit="ms",
            floor=floors.interpreter,
            note=f"{PACKAGES} tiny wheels, once",
        ),
        Figure(
            name="lease received → first line, no packages, p50", value=percentile(plain, 0.5), unit="ms", note=note
        ),
        Figure(
            name="lease received → first line, with packages, p50",
            value=percentile(packaged, 0.5),
            unit="ms",
            aim=Aim(value=percentile(plain, 0.5) + 5),
            note=note,
        ),
    ]


def first(stage: Stage, *, prefix: str = "part") -> float:
    """Return how long the first task with packages takes (ms) from its lease; after it there is a warm one, too."""
    names = [f"{prefix}{number}" for number in range(PACKAGES)]
    for name in names:
        make_wheel(stage.place.home / "packages", name, "1.0")
    stage.place.deploy("packaged", DAG.format(dependencies=", ".join(f'"{name}"' for name in names)))
    cold = first_lines_ms(stage, "first_packaged", 1)[1]
    first_lines_ms(stage, "first_packaged", 2)  # until the process that imports in advance serves
    return cold[0]
