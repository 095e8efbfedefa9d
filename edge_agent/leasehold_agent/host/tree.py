"""The tree of processes below one process, read from /proc, and signals to all of it.

A subreaper keeps its whole tree below itself: a daemon that forks twice and starts a session of its own is still found.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path


def descendants(root: int) -> list[int]:
    """Return every process below ``root``, parents first; the dead that nobody has waited for are among them."""
    found: list[int] = []
    waiting = children(root)
    while waiting:
        found += waiting
        waiting = [child for parent in waiting for child in children(parent)]
    return found


def children(parent: int) -> list[int]:
    """Return the children of ``parent``, those of its every thread; none when it is gone."""
    if not _HAS_CHILDREN_FILES:
        return [pid for pid, of in _parents().items() if of == parent]
    found: list[int] = []
    for thread in _listed(f"/proc/{parent}/task"):
        found += map(int, _text(f"/proc/{parent}/task/{thread}/children").split())
    return found


def alive(pids: Iterable[int]) -> list[int]:
    """Return those that still run (neither gone nor dead and not waited for)."""
    return [pid for pid in pids if _stat(pid)[:1] not in ([], ["Z"], ["X"])]


def names(pids: Iterable[int]) -> list[str]:
    """Return ``name (pid)`` for people."""
    return [f"{_text(f'/proc/{pid}/comm').strip() or '?'} ({pid})" for pid in pids]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _parents() -> dict[int, int]:
    """Return pid → parent pid, for kernels without CONFIG_PROC_CHILDREN."""
    stats = {int(name): _stat(int(name)) for name in _listed("/proc") if name.isdigit()}
    return {pid: int(stat[1]) for pid, stat in stats.items() if len(stat) > 1}


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on; empty when the process is gone."""
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208 (names are all that is needed, and this runs in a kill loop)
    except OSError:
        return []


_HAS_CHILDREN_FILES = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists()
