"""The processes of the demo: started into their own groups, written down, and ended to the last one.

A pid alone proves nothing, for the system gives it to another process one day. So each is written down with the time
it began, and nothing is ever signalled whose beginning does not fit.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that the demo started, or that was started by one of those."""

    name: str
    pid: int
    began: str
    """When it began, in the system's own words: only ever compared."""


def start(name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> Process:
    """Start a process in its own session, its output in a file."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    # Its end is seen through the pid, so that the same code serves the demo that started it and `--down` later.
    child.returncode = 0
    return Process(name=name, pid=child.pid, began=beginning(child.pid) or "ended")


def save(processes: Iterable[Process], file: Path) -> None:
    """Write the processes down."""
    file.write_text(json.dumps([asdict(process) for process in processes], indent=2) + "\n", encoding="utf-8")


def load(file: Path) -> list[Process]:
    """Return the processes that were written down; none when there is no such file."""
    try:
        return [Process(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []


def is_alive(process: Process) -> bool:
    """Tell whether this very process still runs; one that ended and waits to be noticed does not."""
    return beginning(process.pid) == process.began


def beginning(pid: int) -> str | None:
    """Return when a process began, or none when it has ended."""
    _reap(pid)
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        return _beginning_by_ps(pid)
    try:
        # The second field is the program's name in brackets, and may have anything inside.
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _beginning_by_ps(pid: int) -> str | None:
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, began = shown.stdout.strip().partition(" ")
    return began.strip() if state and not state.startswith("Z") else None


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):  # not a child of ours: somebody else notices its end
        os.waitpid(pid, os.WNOHANG)


def parents() -> dict[int, int]:
    """Return the parent of every process."""
    if Path("/proc/self/stat").exists():
        return {int(entry.name): _parent(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    shown = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    return {int(pid): int(parent) for pid, parent in (line.split() for line in shown.stdout.splitlines())}


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def descendants(pid: int) -> list[Process]:
    """Return everything that a process started, and what that started, and so on."""
    by_parent: dict[int, list[int]] = {}
    for child, parent in parents().items():
        by_parent.setdefault(parent, []).append(child)
    found: list[Process] = []
    waiting = [pid]
    while waiting:
        for child in by_parent.get(waiting.pop(), []):
            waiting.append(child)
            if (began := beginning(child)) is not None:
                found.append(Process(name=f"started by {pid}", pid=child, began=began))
    return found


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends first, so that none can be lost sight of (Linux)."""
    if sys.platform == "linux":
        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def stop(processes: Sequence[Process], *, patience_s: float) -> list[Process]:
    """End processes: ask, ask again, then insist. Returns those for which asking was not enough.

    A first SIGTERM lets an agent finish what it runs, a second one cancels that; who is deaf to both is killed.
    """
    for ask in (1, 2):
        for process in processes:
            _send(process, signal.SIGTERM)
        left = wait_for_end(processes, patience_s / ask)
        if not left:
            return []
    for process in left:
        _send(process, signal.SIGKILL)
    wait_for_end(left, patience_s)
    return left


def wait_for_end(processes: Sequence[Process], seconds: float) -> list[Process]:
    """Wait until all have ended, at most so long; return those that have not."""
    until = time.monotonic() + seconds
    while left := [process for process in processes if is_alive(process)]:
        if time.monotonic() >= until:
            return left
        time.sleep(POLL_S)
    return []


def _send(process: Process, number: signal.Signals) -> None:
    if is_alive(process):
        with suppress(ProcessLookupError):  # it ended in between
            os.kill(process.pid, number)
