"""How long `leasehold check` takes for a large DAG, and a drawing of one."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.figures import Aim, Figure, percentile
from benchmarks.floors import Floors
from leasehold.cli.graph.picture import Drawn, picture

TASKS = 500


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure the whole command, start of Python included, as somebody waits for it with every save."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "large.py"
    file.write_text(_dag(), encoding="utf-8")
    times = 5 if quick else 30
    taken = [_check_ms(file) for _ in range(times)]
    drawn = [_draw_ms() for _ in range(times)]
    note = f"{times} times, one after the other"
    return [
        Figure(
            name=f"leasehold check, {TASKS} tasks, p50",
            value=percentile(taken, 0.5),
            unit="ms",
            floor=floors.interpreter,
            aim=Aim(value=500),
            note=note,
        ),
        Figure(
            name=f"a drawing of {TASKS} tasks, p50",
            value=percentile(drawn, 0.5),
            unit="ms",
            aim=Aim(value=1000),
            note=note,
        ),
    ]


def _check_ms(file: Path) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "leasehold.cli", "check", str(file)], check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000


def _draw_ms() -> float:
    tasks = [Drawn(name=f"t{number}", upstream=_upstream(number), states=("success",)) for number in range(TASKS)]
    began = time.perf_counter()
    picture(tasks, width=200)
    return (time.perf_counter() - began) * 1000


def _upstream(number: int) -> tuple[str, ...]:
    return tuple(f"t{other}" for other in (number // 2, number - 7) if 0 <= other < number)


def _dag() -> str:
    head = "from leasehold import dag, task\n\n@task\ndef step(rows, n): return rows\n\n@dag\ndef large():\n"
    first = "    t0 = step([], 0)\n"
    return head + first + "".join(f"    t{n} = step([t{n // 2}, '{{{{ ds }}}}'], n={n})\n" for n in range(1, TASKS))
