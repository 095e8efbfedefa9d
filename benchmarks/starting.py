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
    with open_stage(home, keeps_attempts=True) as stage:
        python, leased = first_lines_ms(stage, "first_python", times)
        _, leased_fresh = first_lines_ms(stage, "first_fresh", times)
        program, _ = first_lines_ms(stage, "first_program", times)
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
        Figure(
            name="lease received → first line, warm, p50",
            value=percentile(leased, 0.5),
            unit="ms",
            floor=floors.interpreter,
            aim=Aim(value=15),
            note=note,
        ),
        Figure(
            name="lease received → first line, fresh, p50",
            value=percentile(leased_fresh, 0.5),
            unit="ms",
            floor=floors.interpreter,
            aim=Aim(value=60 + floors.interpreter_ms),
            note=note,
        ),
    ]


def first_lines_ms(stage: Stage, dag: str, times: int) -> tuple[list[float], list[float]]:
    """Return how long the first line took since the run was asked for, and since its lease was received."""
    since_asked: list[float] = []
    since_received: list[float] = []
    for _ in range(times):
        asked, run = stage.timed_run(dag)
        (task,) = cast("list[dict[str, Any]]", run["tasks"])
        said = int(task["result"])  # what the clock said on the task's first line
        since_asked.append((said - asked) / 1e6)
        since_received.append((said - stage.received(task["attempts"][-1]["attempt"])) / 1e6)
    return since_asked, since_received
