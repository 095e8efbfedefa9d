"""How long it takes from submitting a run to the first line of the author's code."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from benchmarks.figures import Aim, Figure, percentile
from benchmarks.floors import Floors
from benchmarks.stage import Stage, open_stage


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure both runtimes on a warm agent."""
    times = 10 if quick else 60
    with open_stage(home) as stage:
        python = [_first_line_ms(stage, "first_python") for _ in range(times)]
        program = [_first_line_ms(stage, "first_program") for _ in range(times)]
    note = f"{times} runs, one after the other"
    return [
        Figure(
            name="submit → first line, @task, p50",
            value=percentile(python, 0.5),
            unit="ms",
            floor=floors.interpreter,
            aim=Aim(value=150),
            note=note,
        ),
        Figure(name="submit → first line, @task, p95", value=percentile(python, 0.95), unit="ms", note=note),
        Figure(
            name="submit → first line, program, p50",
            value=percentile(program, 0.5),
            unit="ms",
            floor=floors.spawn,
            note=note,
        ),
        Figure(name="submit → first line, program, p95", value=percentile(program, 0.95), unit="ms", note=note),
    ]


def _first_line_ms(stage: Stage, dag: str) -> float:
    asked, run = stage.timed_run(dag)
    (task,) = cast("list[dict[str, Any]]", run["tasks"])
    # The task's own result: what the clock said on its first line.
    return (int(task["result"]) - asked) / 1e6
