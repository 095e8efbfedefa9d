"""How soon the binary's programs begin."""

from __future__ import annotations

import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.figures import Aim, Figure


def measure(tree: Path, *, times: int) -> list[Figure]:
    """Start each program so many times, one after the other."""
    version = _median_ms([str(tree / "edge-agent"), "--version"], times)
    python = _median_ms([str(tree / "edge-python"), "-I", "-S", "-c", "pass"], times)
    note = f"median of {times}, from start to end; files warm"
    return [
        Figure(name="edge-agent --version", value=version, unit="ms", aim=Aim(value=120), note=note),
        Figure(name="edge-python", value=python, unit="ms", aim=Aim(value=120), note=note),
    ]


def _median_ms(command: list[str], times: int) -> float:
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
