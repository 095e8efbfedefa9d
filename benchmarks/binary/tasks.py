"""What a task costs on the binary: the fork of its host, and the environment with its packages."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from pathlib import Path
from statistics import median

from benchmarks import environments
from benchmarks.figures import Aim, Figure, percentile
from benchmarks.floors import Floors
from benchmarks.stage import open_stage
from benchmarks.starting import first_lines_ms

_COLD = ("red", "green", "blue")
"""Environments that nobody has built yet: each has packages of other names."""
_SETTLED_S = 0.05
"""Until a host has found that there is nothing to do, and no longer competes with the next one's fork."""


def measure(tree: Path, home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure forks alone, then tasks with and without packages in turns."""
    home.mkdir()
    times = 10 if quick else 40
    fork = _fork_ms(tree, home / "hosts", times)
    with open_stage(home / "stage", keeps_attempts=True, command=str(tree / "edge-agent")) as stage:
        plain_first = percentile(first_lines_ms(stage, "first_python", times // 2)[1], 0.5)
        cold = median(environments.first(stage, prefix=prefix) for prefix in _COLD) - plain_first
        plain, packaged = environments.in_turns(stage, times)
    note = f"{environments.PACKAGES} carried wheels; from lease to first line, less the same without packages"
    return [
        Figure(
            name="zygote, a host forked",
            value=fork,
            unit="ms",
            floor=floors.spawn,
            aim=Aim(value=10),
            note=f"median of {times}, from request to answer",
        ),
        Figure(
            name="lease received → first line, p50",
            value=percentile(plain, 0.5),
            unit="ms",
            floor=floors.interpreter,
            note=f"{times} tasks without packages, warm",
        ),
        Figure(
            name="environment, hit",
            value=percentile(packaged, 0.5) - percentile(plain, 0.5),
            unit="ms",
            aim=Aim(value=5),
            note=f"{note}; {times} of each in turns, medians",
        ),
        Figure(
            name="environment, cold",
            value=cold,
            unit="ms",
            floor=floors.interpreter,
            aim=Aim(value=600),
            note=f"{note}; median of {len(_COLD)}, unzipped by the agent itself",
        ),
    ]


def _fork_ms(tree: Path, home: Path, times: int) -> float:
    """Ask the binary's own host zygote for hosts, each of another team: none is a spare one."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [str(tree / "edge-agent"), "host-zygote"]
        zygote = subprocess.Popen(command, stdin=theirs.fileno(), stdout=theirs.fileno(), env={}, close_fds=True)
    took: list[float] = []
    with ours, ours.makefile("rwb") as line:
        for number in range(times + 1):
            attempt = home / f"attempt-{number}"
            attempt.mkdir(parents=True)
            request = {"attempt_dir": str(attempt), "team": f"team-{number}"}
            began = time.perf_counter()
            line.write(json.dumps(request).encode() + b"\n")
            line.flush()
            answer = json.loads(line.readline())
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(_SETTLED_S)
            if "pid" not in answer:
                raise RuntimeError(f"no host: {answer}")
    zygote.wait(60)
    return median(took[1:])  # the first one waits for the zygote's own start
