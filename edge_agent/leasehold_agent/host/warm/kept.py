"""A task that a keeper started for this host: how it is given what it needs, and how its end is heard of."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from leasehold.warm.line import LineEndedError, receive, send
from leasehold_agent.fault_points import reach
from leasehold_agent.host.remains import kill_remains
from leasehold_agent.host.warm.door import Environment, WarmDoor

KEEPER_S = 5.0
"""A fork takes milliseconds, the first of an environment as long as an interpreter; then a fresh one is started."""


class KeptTask:
    """Heard over the line to a keeper; see ``task_process.Parent``."""

    def __init__(self, line: socket.socket, keeper: int, heard: Callable[[list[object]], object]) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._line = line
        self._heard = heard
        self.root = keeper
        self.exited: asyncio.Future[int | None] = loop.create_future()
        self.gone = asyncio.Event()
        self._usage: dict[str, object] = {}
        self._burial: asyncio.Task[None] | None = None

    async def started(self) -> int:
        """Wait until the task runs and return its pid.

        Raises:
            LineEndedError: its keeper is gone.
        """
        message = await _next(self._line)
        self._loop.add_reader(self._line, self._hear)
        match message:
            case {"task": int() as pid}:
                return pid
            case _:
                raise LineEndedError

    def collect(self) -> None:
        """Nothing to do: this task's processes are waited for by its keeper."""

    def usage(self) -> dict[str, object]:
        """Return the protocol's ``Usage``."""
        return self._usage

    def lose(self) -> None:
        """The keeper is gone before it told of the end: nobody knows how the task ended, if it did."""
        self._loop.remove_reader(self._line)
        self._line.close()
        if not self.exited.done():
            self.exited.set_result(None)
        if not self.gone.is_set():
            self._burial = self._loop.create_task(self._bury())

    async def _bury(self) -> None:
        # What hung below the keeper is killed by the host zygote, if that lives; here it is made sure of.
        with suppress(TimeoutError):
            await asyncio.to_thread(kill_remains, Path.cwd())
        self.gone.set()

    def _hear(self) -> None:
        while True:
            try:
                message, _ = receive(self._line)
            except BlockingIOError:
                return None
            except (LineEndedError, ValueError):
                return self.lose()
            match message:
                case {"imported": list(modules)}:
                    self._heard(modules)
                case {"exited": int() as status} if not self.exited.done():
                    reach("host.kept.exit.heard")
                    self.exited.set_result(status)
                case {"gone": {"cpu_s": int() | float() as cpu_s, "max_rss_bytes": int() as memory}}:
                    self._usage = {"cpu_s": round(cpu_s, 6), "max_rss_bytes": memory}
                    self._loop.remove_reader(self._line)
                    self._line.close()
                    return self.gone.set()
                case _:
                    pass


async def keeper_for(
    door: WarmDoor, environment: Environment, say: Callable[[str], object]
) -> tuple[socket.socket, int] | None:
    """Return the line to a keeper and its pid; None when the task must be started otherwise."""
    line = door.ask_for_keeper(environment)
    if line is None:
        return None
    try:
        async with asyncio.timeout(KEEPER_S):
            while True:
                match await _next(line):
                    case {"keeper": int() as pid}:
                        return line, pid
                    case {"note": str() as note}:
                        say(note)
                    case {"fresh": str() as reason}:
                        say(f"the task starts with a fresh interpreter: {reason}")
                        break
                    case _:
                        break
    except (TimeoutError, LineEndedError, ValueError):
        pass
    line.close()  # A keeper that comes late is not given a task: it ends.
    return None


async def start_kept(
    line: socket.socket,
    keeper: int,
    given: Mapping[str, object],
    files: tuple[int, int],
    heard: Callable[[list[object]], object],
) -> tuple[KeptTask, int] | None:
    """Have the keeper start the task; return it with its pid, None when the keeper was gone before it was told.

    Once it was told the task counts as started, whatever becomes of the keeper: nothing may run twice.
    """
    try:
        send(line, dict(given), files)
    except LineEndedError:
        line.close()
        return None
    reach("host.kept.told.before-pid")
    task = KeptTask(line, keeper, heard)
    try:
        return task, await task.started()
    except (LineEndedError, ValueError, KeyError):
        task.lose()
        return task, keeper


async def _next(line: socket.socket) -> dict[str, object]:
    """Return the next message.

    Raises:
        LineEndedError: there will be none.
        ValueError: it is none.
    """
    loop = asyncio.get_running_loop()
    while True:
        try:
            message, files = receive(line)
        except BlockingIOError:
            readable: asyncio.Future[None] = loop.create_future()
            loop.add_reader(line, _settle, readable)
            try:
                await readable
            finally:
                loop.remove_reader(line)
            continue
        for fd in files:
            os.close(fd)
        return message


def _settle(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
