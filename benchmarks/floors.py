"""The floors: the least that this machine takes for what the product can't do without."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, Floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """The floors of one run, in milliseconds."""

    spawn_ms: float
    """posix_spawn of `true` and the wait for its end."""
    interpreter_ms: float
    """The same for a bare Python that does nothing."""
    commit_ms: float
    """One durable SQLite transaction (WAL, synchronous=FULL)."""

    @property
    def spawn(self) -> Floor:
        """The spawn, as a floor in milliseconds."""
        return Floor(name="spawn", value=self.spawn_ms)

    @property
    def interpreter(self) -> Floor:
        """The interpreter, as a floor in milliseconds."""
        return Floor(name="bare Python", value=self.interpreter_ms)

    @property
    def commit(self) -> Floor:
        """The commit, as a floor in milliseconds."""
        return Floor(name="commit", value=self.commit_ms)

    def figures(self) -> list[Figure]:
        """Return them for the table."""
        return [
            Figure(name="floor: spawn of true", value=self.spawn_ms, unit="ms"),
            Figure(name="floor: python -I -S -c pass", value=self.interpreter_ms, unit="ms", floor=self.spawn),
            Figure(name="floor: one SQLite commit", value=self.commit_ms, unit="ms", note="WAL, synchronous=FULL"),
        ]


def measure(directory: Path, *, quick: bool) -> Floors:
    """Measure the floors; the commits on the disk that holds ``directory``."""
    times = 40 if quick else 200
    true = shutil.which("true") or "/bin/true"
    return Floors(
        spawn_ms=_typical_ms(lambda: _spawn([true]), times),
        interpreter_ms=_typical_ms(lambda: _spawn([sys.executable, "-I", "-S", "-c", "pass"]), times // 4),
        commit_ms=_commit_ms(directory / "floor.db", times),
    )


def _typical_ms(action: Callable[[], object], times: int) -> float:
    action()
    spans: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        spans.append(time.perf_counter() - began)
    return median(spans) * 1000


def _spawn(argv: list[str]) -> None:
    os.waitpid(os.posix_spawn(argv[0], argv, os.environ), 0)


def _commit_ms(file: Path, times: int) -> float:
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT)")
        return _typical_ms(lambda: database.execute("INSERT INTO rows (text) VALUES (?)", ("x" * 200,)), times)
