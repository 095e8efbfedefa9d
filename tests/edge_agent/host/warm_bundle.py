"""Bundles with one task each, run in real attempts, one after the other."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import leasehold
from leasehold_agent.host.warm.settings import WarmSettings
from leasehold_protocol.v1.manifest import Isolation, PythonWork
from tests.edge_agent.host.harness import Attempt, Zygote, read_line

SDK = Path(leasehold.__file__).parent


WAITING = """
    import os, sys

    def work():
        with open("hello", "w") as hello:
            hello.write(f"{os.getpid()} {os.environ['LEASEHOLD_TASK_SECRET']}\\n")
        sys.exit(int(open("go").readline()))
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task that has begun and waits to be told how to end."""

    attempt: Attempt
    task: int
    said: str
    """The word it said besides its pid."""
    end: Callable[[int], object]

    @property
    def keeper(self) -> int:
        """The process above it."""
        return parent_of(self.task)


class Bundles:
    """Tasks of bundles, and the zygote that runs them."""

    def __init__(self, home: Path, warm: WarmSettings | None = None) -> None:
        self.home = home
        self.zygote = Zygote(warm)
        self.sdk = home / "sdk"
        self.sdk.mkdir()
        (self.sdk / "leasehold").symlink_to(SDK)
        self.python = sys.executable
        self.attempts: list[Attempt] = []

    def write(self, code: str, name: str = "plant") -> Path:
        """Write a bundle whose module ``flow`` has the function ``work``."""
        folder = self.home / name
        folder.mkdir(exist_ok=True)
        (folder / "flow.py").write_text(textwrap.dedent(code))
        return folder

    def library(self, name: str, code: str) -> None:
        """Write a module that is part of the environment, not of any bundle."""
        (self.sdk / f"{name}.py").write_text(textwrap.dedent(code))

    def begin(self, bundle: Path, *, isolation: str = "warm", **fields: Any) -> Attempt:
        """Start an attempt of a bundle's task."""
        attempt = Attempt(self.home / f"ti-{len(self.attempts)}.1", self.zygote)
        self.attempts.append(attempt)
        runtime = {"python": self.python, "sdk_path": str(self.sdk)}
        work = PythonWork(module="flow", function="work", isolation=Isolation(isolation))
        return attempt.start(work, runtime=runtime, bundle_dir=bundle, **fields)

    def run(self, bundle: Path, **fields: Any) -> Any:
        """Run a bundle's task to its successful end and return its result."""
        attempt = self.begin(bundle, **fields)
        ending = attempt.wait()
        assert ending["kind"] == "success", (ending, attempt.log)
        return attempt.xcom("return_value")

    def run_until(self, bundle: Path, fits: Callable[[Any], object], what: str) -> Any:
        """Run a bundle's task again and again, until its result fits; what happens in between takes a while."""
        for _ in range(100):
            if fits(result := self.run(bundle)):
                return result
        raise AssertionError(f"after 100 attempts still not: {what}")

    def begin_waiting(self, code: str = WAITING, **fields: Any) -> Waiting:
        """Start a task that waits to be told how to end; return it once it has begun."""
        attempt = Attempt(self.home / f"ti-{len(self.attempts)}.1", self.zygote)
        self.attempts.append(attempt)
        hello, go = attempt.fifo("hello"), attempt.fifo("go")
        runtime = {"python": self.python, "sdk_path": str(self.sdk)}
        work = PythonWork(module="flow", function="work")
        attempt.start(work, runtime=runtime, bundle_dir=self.write(code, "waiting"), **fields)
        pid, said = read_line(hello).split()
        return Waiting(attempt, int(pid), said, lambda status: os.write(go, b"%d\n" % status))

    def close(self) -> None:
        """End everything."""
        for attempt in self.attempts:
            attempt.clean_up()
        self.zygote.close()


def name_of(pid: int) -> str:
    """Return what ``ps`` shows."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
