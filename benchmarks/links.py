"""Pull beside push: how soon a task begins, and what an idle stream costs on the wire."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from benchmarks.figures import Aim, Figure, percentile
from benchmarks.floors import Floors
from benchmarks.stage import Stage, open_stage

IDLE_S = 100.0
"""Five keep-alives."""
AIMS_MS = {"pull": 40.0, "push": 25.0}


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure both in turns, so that what else the machine does meets them alike."""
    times = 10 if quick else 60
    home.mkdir()
    with open_stage(home / "pull", link="pull") as pull, open_stage(home / "push", link="push") as push:
        rounds = [(_took_ms(pull), _took_ms(push)) for _ in range(times)]
    idle = [] if quick else [_idle(home / "idle")]
    figures: list[Figure] = []
    for link, took in zip(AIMS_MS, zip(*rounds, strict=True), strict=True):
        note = f"{times} runs of one program, in turns"
        to_lease, to_line = zip(*took, strict=True)
        figures += [
            Figure(name=f"submit → leased, {link}, p50", value=percentile(list(to_lease), 0.5), unit="ms", note=note),
            Figure(
                name=f"submit → first line, {link}, p50",
                value=percentile(list(to_line), 0.5),
                unit="ms",
                floor=floors.spawn,
                aim=Aim(value=AIMS_MS[link]),
                note=note,
            ),
        ]
    return [*figures, *idle]


def _took_ms(stage: Stage) -> tuple[float, float]:
    """Return the milliseconds from asking for a run to its lease, and to the task's own first line."""
    asked, run = stage.timed_run("first_program")
    (task,) = cast("list[dict[str, Any]]", run["tasks"])
    leased = datetime.fromisoformat(task["attempts"][0]["leased_at"]).timestamp()
    return leased * 1e3 - asked / 1e6, (int(task["result"]) - asked) / 1e6


def _idle(home: Path) -> Figure:
    with open_stage(home, link="push", counts_bytes=True) as stage:
        assert stage.forwarder
        before = stage.forwarder.counted
        time.sleep(IDLE_S)
        passed = stage.forwarder.counted - before
    return Figure(
        name="idle agent on a stream, on the wire",
        value=passed.bytes / IDLE_S * 60,
        unit="bytes/min",
        note=f"over {IDLE_S:.0f} s; a renewal and a new access token every 9 minutes not included",
    )
