"""How soon the binary's programs begin, and the Python of a task that has packages."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.binary import cold
from benchmarks.figures import Aim, Figure
from benchmarks.floors import Floors
from leasehold_agent.runtimes.python import interpreter_command


def measure(tree: Path, home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Start each program so many times, one after the other."""
    home.mkdir()
    times = 5 if quick else 20
    own = cold.own_copy(tree, home / "tree")
    left: list[float] = []
    version = [str(own / "edge-agent"), "--version"]
    floor = floors.interpreter
    warm = f"median of {times}, from start to end; files warm"
    figures = [
        Figure(
            name="edge-agent --version, warm",
            value=_median_ms(version, times),
            unit="ms",
            floor=floor,
            aim=Aim(value=120),
            note=warm,
        ),
        Figure(
            name="edge-agent --version, cold",
            value=_median_ms(version, times, before=lambda: left.append(cold.drop(own))),
            unit="ms",
            floor=floor,
            note=f"median of {times}; {how_cold(left)}",
        ),
        Figure(
            name="edge-python",
            value=_median_ms([*interpreter_command(str(own / "edge-python"), has_packages=False), "pass"], times),
            unit="ms",
            floor=floor,
            aim=Aim(value=120),
            note=warm,
        ),
    ]
    python = _environment(home / "environment")
    command = [*interpreter_command(str(python), has_packages=True), "pass"]
    note = f"{warm}; an environment of this machine's Python, by the command that tasks in one get"
    took = _median_ms(command, times)
    return [*figures, Figure(name="Python, venv", value=took, unit="ms", floor=floor, aim=Aim(value=40), note=note)]


def how_cold(left: Sequence[float]) -> str:
    """Say how cold is made, and how well that went."""
    return (
        "before each, posix_fadvise(DONTNEED) of all files of the tree "
        f"({100 * max(left):.0f} % of their pages were left); the system's own libraries stay"
    )


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin/python"


def _median_ms(command: Sequence[str], times: int, *, before: Callable[[], object] = lambda: None) -> float:
    took: list[float] = []
    for _ in range(times):
        before()
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
