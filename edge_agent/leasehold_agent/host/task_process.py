"""The task's process: started, drained, and ended together with everything it started."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import resource
import signal
import subprocess
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from leasehold_agent.host import linux, tree

_PIPE_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024
_DRAIN_BYTES = 4 * 1024 * 1024
_LEFTOVERS_S = 0.5
_KILL_PAUSES_S = (0.002, 0.005, 0.02, 0.05)


class Sink(Protocol):
    """Takes what a task prints."""

    def feed(self, data: bytes) -> None:
        """Take in the next piece."""
        ...

    def finish(self) -> None:
        """The stream has ended."""
        ...


class TaskProcess:
    """One task and its tree. The host must be a subreaper, so that all of the tree stays below it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._pid: int | None = None
        self._sinks: dict[int, Sink] = {}
        self._exited: asyncio.Future[int] = loop.create_future()
        self._gone = asyncio.Event()
        self._drained = asyncio.Event()
        self._kill: asyncio.TimerHandle | None = None
        self._kills = 0
        loop.add_signal_handler(signal.SIGCHLD, self._reap)

    @property
    def pid(self) -> int | None:
        """The main process, once it was started."""
        return self._pid

    def start(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str],
        cwd: str,
        stdout: Sink,
        stderr: Sink,
        memory: int | None = None,
    ) -> int:
        """Start the task in a session of its own and begin to drain its output.

        ``memory`` bounds the address space of each of its processes, in bytes.

        Raises:
            OSError: if there is no such program, or it can't be executed.
        """
        out, err = _wide_pipe(), _wide_pipe()
        try:
            # No preexec_fn unless there is a limit to set: without one the child is made by vfork, which costs 0.2 ms
            # here and a fork 3 ms. Set later, the limit could be raised again by who is quick.
            bound = None if memory is None else partial(_bound_memory, memory)
            process = subprocess.Popen(
                argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out[1], stderr=err[1],
                close_fds=True, start_new_session=True, umask=0o077, preexec_fn=bound,
            )  # fmt: skip
        except BaseException:
            os.close(out[0])
            os.close(err[0])
            raise
        finally:
            os.close(out[1])
            os.close(err[1])
        process.returncode = 0  # this object never waits: every child is waited for in one place, _reap
        self._pid = process.pid
        linux.prefer_for_oom_kill(process.pid)
        for fd, sink in ((out[0], stdout), (err[0], stderr)):
            os.set_blocking(fd, False)
            self._sinks[fd] = sink
            self._loop.add_reader(fd, self._read, fd)
        return process.pid

    async def exited(self) -> int:
        """Wait for the main process and return its wait status."""
        return await asyncio.shield(self._exited)

    def end_by(self, when: float, *, gently: bool = True) -> None:
        """End the tree: SIGTERM now, SIGKILL at ``when`` (loop time) to whatever is left, until nothing is.

        Called again it can only come sooner.
        """
        if self._pid is None or self._gone.is_set():
            return
        if self._kill is None and gently:
            pids = tree.descendants(os.getpid())
            tree.send(pids, signal.SIGTERM)
            tree.send(pids, signal.SIGCONT)  # a stopped process would sleep through its own end
        if self._kill is None or self._kill.when() > when:
            if self._kill is not None:
                self._kill.cancel()
            self._kill = self._loop.call_at(when, self._kill_all)

    async def leftovers(self) -> list[str]:
        """Return what the main process left behind and what does not end by itself in a moment."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), _LEFTOVERS_S)
        return tree.names(tree.alive(tree.descendants(os.getpid())))

    async def gone(self) -> None:
        """Wait until nothing of the tree is left and its output is read."""
        await self._gone.wait()
        # A pipe's end may have been handed to a process outside of the tree: that one is not waited for.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), 2)
        for fd in list(self._sinks):
            self._end_of(fd)

    def drain(self) -> None:
        """Read what lies in the pipes now."""
        for fd in list(self._sinks):
            for _ in range(_DRAIN_BYTES // _READ_BYTES):
                if not self._read(fd):
                    break

    def usage(self) -> dict[str, object]:
        """Return the protocol's ``Usage`` of everything that has ended and was waited for.

        The memory is never less than the host's own (some 20 MiB): the kernel counts a child from before its exec.
        """
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"cpu_s": round(used.ru_utime + used.ru_stime, 6), "max_rss_bytes": used.ru_maxrss * 1024}

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                if self._pid is not None:
                    self._gone.set()
                return
            if pid == 0:
                return
            if pid == self._pid and not self._exited.done():
                self._exited.set_result(status)

    def _kill_all(self) -> None:
        """Kill what is there, and look again: a process may fork between being seen and being hit."""
        self._reap()
        if self._gone.is_set():
            return
        tree.send(tree.descendants(os.getpid()), signal.SIGKILL)
        pause = _KILL_PAUSES_S[min(self._kills, len(_KILL_PAUSES_S) - 1)]
        self._kills += 1
        self._kill = self._loop.call_later(pause, self._kill_all)

    def _read(self, fd: int) -> bool:
        """Pass on one piece; False when there is none."""
        try:
            data = os.read(fd, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._sinks[fd].feed(data)
            return True
        self._end_of(fd)
        return False

    def _end_of(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        sink = self._sinks.pop(fd)
        os.close(fd)
        sink.finish()
        if not self._sinks:
            self._drained.set()


def _wide_pipe() -> tuple[int, int]:
    """Return a pipe that holds 1 MiB where the system allows it: fewer, larger reads."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing


def _bound_memory(most: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
