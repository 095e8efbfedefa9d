"""A task that this host started itself, and the port of whoever is above a task's processes."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from leasehold_agent.host import linux


class Parent(Protocol):
    """Whoever waits for the processes of a task.

    Attributes:
        root: The process below which all of them hang.
        exited: The wait status of the main process; None when nobody knows it.
        gone: Set once none of them is left.
    """

    root: int
    exited: asyncio.Future[int | None]
    gone: asyncio.Event

    def collect(self) -> None:
        """Wait now for those that have ended."""
        ...

    def usage(self) -> dict[str, object]:
        """Return the protocol's ``Usage`` of everything that has ended and was waited for."""
        ...


class OwnChild:
    """This host itself; it must be a subreaper, so that all of the tree stays below it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.root = os.getpid()
        self.exited: asyncio.Future[int | None] = loop.create_future()
        self.gone = asyncio.Event()
        self._pid: int | None = None
        loop.add_signal_handler(signal.SIGCHLD, self.collect)

    def start(
        self, argv: tuple[str, ...], *, env: Mapping[str, str], cwd: str, stdout: int, stderr: int, memory: int | None
    ) -> int:
        """Start the task in a session of its own and return its pid.

        ``memory`` bounds the address space of each of its processes, in bytes.

        Raises:
            OSError: if there is no such program, or it can't be executed.
        """
        # No preexec_fn unless there is a limit to set: without one the child is made by vfork, which costs 0.2 ms
        # here and a fork 3 ms. Set later, the limit could be raised again by who is quick.
        bound = None if memory is None else partial(linux.bound_memory, memory)
        process = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            close_fds=True, start_new_session=True, umask=0o077, preexec_fn=bound,
        )  # fmt: skip
        process.returncode = 0  # this object never waits: every child is waited for in one place, collect
        self._pid = process.pid
        linux.prefer_for_oom_kill(process.pid)
        return process.pid

    def collect(self) -> None:
        """See ``Parent``."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                if self._pid is not None:
                    self.gone.set()
                return
            if pid == 0:
                return
            if pid == self._pid and not self.exited.done():
                self.exited.set_result(status)

    def usage(self) -> dict[str, object]:
        """See ``Parent``. The memory is never less than the host's own (some 20 MiB): the kernel counts a child from
        before its exec."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"cpu_s": round(used.ru_utime + used.ru_stime, 6), "max_rss_bytes": used.ru_maxrss * 1024}
