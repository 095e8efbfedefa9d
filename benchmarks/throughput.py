"""How many tasks that do nothing one agent runs, and what processor time each costs, over all processes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from benchmarks.figures import Aim, Figure, Floor
from benchmarks.floors import Floors
from benchmarks.stage import SLOTS, Usage, open_stage


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Run a DAG of independent tasks, a few times; report the best rate (others share the machine)."""
    tasks, times = (40, 1) if quick else (100, 3)
    rates: list[float] = []
    with open_stage(home, tasks=tasks) as stage:
        before = stage.usage()
        for _ in range(times):
            asked, run = stage.timed_run("fan_out")
            ended = datetime.fromisoformat(str(run["ended_at"])).timestamp()
            rates.append(tasks / (ended - asked / 1e9))
        after = stage.usage()
    note = f"{tasks} tasks in one run, {SLOTS} slots; best of {times}"
    rate = Figure(
        name="no-op @task tasks per second",
        value=max(rates),
        unit="tasks/s",
        floor=Floor(name="bare Python, one after the other", value=1000 / floors.interpreter_ms),
        aim=Aim(value=60, at_most=False),
        note=note,
    )
    return [rate, *_cpu(before, after, tasks * times, floors)]


def _cpu(before: Usage, after: Usage, tasks: int, floors: Floors) -> list[Figure]:
    def per_task(name: str, seconds: float, floor: Floor | None = None) -> Figure:
        aim = Aim(value=30) if floor else None
        return Figure(name=f"CPU per no-op task, {name}", value=1000 * seconds / tasks, unit="ms", floor=floor, aim=aim)

    return [
        per_task("all processes", after.total_s - before.total_s, floors.interpreter),
        per_task("the API", after.api_cpu_s - before.api_cpu_s),
        per_task("the agent", after.agent_cpu_s - before.agent_cpu_s),
        per_task("hosts and tasks", after.zygote_cpu_s - before.zygote_cpu_s),
    ]
