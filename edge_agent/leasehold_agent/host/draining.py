"""The pipes that a task prints to, and what reads them."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from typing import Protocol

_PIPE_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024
_DRAIN_BYTES = 4 * 1024 * 1024


class Sink(Protocol):
    """Takes what a task prints."""

    def feed(self, data: bytes) -> None:
        """Take in the next piece."""
        ...

    def finish(self) -> None:
        """The stream has ended."""
        ...


class Draining:
    """Reads pipes into sinks."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sinks: dict[int, Sink] = {}
        self._drained = asyncio.Event()

    def begin(self, fd: int, sink: Sink) -> None:
        """Read ``fd`` to its end, whenever something is there."""
        os.set_blocking(fd, False)
        self._sinks[fd] = sink
        self._loop.add_reader(fd, self._read, fd)

    def now(self) -> None:
        """Read what lies in the pipes now."""
        for fd in list(self._sinks):
            for _ in range(_DRAIN_BYTES // _READ_BYTES):
                if not self._read(fd):
                    break

    async def finish(self, *, within_s: float) -> None:
        """Wait for the ends of all pipes, for a while; one may have been handed to a process that goes on."""
        if not self._sinks:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), within_s)
        for fd in list(self._sinks):
            self._end_of(fd)

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


def wide_pipe() -> tuple[int, int]:
    """Return a pipe that holds 1 MiB where the system allows it: fewer, larger reads."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing
