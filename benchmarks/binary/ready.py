"""How soon the service is ready, and how long it is away when it is restarted while a task runs."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from benchmarks.binary import cold
from benchmarks.binary.service import Service, Site, cpu_s, open_site
from benchmarks.binary.starts import how_cold
from benchmarks.figures import Aim, Figure, Floor
from benchmarks.floors import Floors


def measure(tree: Path, home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Start and stop it so many times, with its files warm and cold; then once under a task."""
    times = 3 if quick else 7
    home.mkdir()
    own = cold.own_copy(tree, home / "tree")
    left: list[float] = []
    with open_site(own, home / "place") as site:
        site.service.stop(site.service.start()[0])
        warm = [_started(site.service) for _ in range(times)]
        colds: list[tuple[float, float]] = []
        for _ in range(times):
            left.append(cold.drop(own))
            colds.append(_started(site.service))
        restart = _restarted(site, times)
    return [
        _ready("warm", warm, 600, floors, "files warm"),
        _ready("cold", colds, 800, floors, how_cold(left)),
        Figure(
            name="restart, a task alive",
            value=median(restart),
            unit="s",
            floor=Floor(name="bare Python", value=floors.interpreter_ms / 1000),
            aim=Aim(value=2.5),
            note=f"median of {times}: edge-agent stop --force, then run until READY=1; the task went on",
        ),
    ]


def _ready(how: str, starts: list[tuple[float, float]], limit: float, floors: Floors, note: str) -> Figure:
    took, used = (median(values) * 1000 for values in zip(*starts, strict=True))
    return Figure(
        name=f"ready, {how}",
        value=took,
        unit="ms",
        floor=floors.interpreter,
        aim=Aim(value=limit),
        note=f"median of {len(starts)}, until READY=1, of which {used:.0f} ms of processor time; {note}",
    )


def _started(service: Service) -> tuple[float, float]:
    """Return after how long (s) it was ready, and what it had used by then (s)."""
    agent, took = service.start()
    used = cpu_s(agent.pid)
    service.stop(agent)
    return took, used


def _restarted(site: Site, times: int) -> list[float]:
    agent, _ = site.service.start()
    gate = site.place.home / "gate"
    run = site.place.trigger("waiting", gate=str(gate))
    attempt = site.place.running(run, "patient")
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        site.service.stop(agent)
        agent, _ = site.service.start()
        took.append(time.perf_counter() - began)
    gate.touch()
    (task,) = site.place.finished(run)["tasks"]
    if [one["attempt"] for one in task["attempts"]] != [attempt] or task["result"] != "went on":
        raise RuntimeError("the task did not survive the restart")
    return took
