"""Hosts between two attempts, as the zygote that forked them sees them.

A fork copies some 1,900 pages before a host has done its work, because reference counts lie in them: most of what a
short attempt costs. So a host that nothing was left in takes the next attempt (``life.live_on``). On its line:

    ← {"spare": team}                                     nothing is left of its attempt, which was this team's
    → {"attempt_dir": path}, the lock and ``host.sock``   the next one

It ends when its line does: after some seconds without work, or with its zygote.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress

from leasehold.warm.line import LineEndedError, receive, send
from leasehold_agent.host.directory import AttemptDirectory

IDLE_S = 3.0
_TICK_S = 0.5


class SpareHosts:
    """The lines to all hosts, and which of them have nothing to do."""

    def __init__(self) -> None:
        self._lines: dict[int, socket.socket] = {}
        self._spare: dict[int, tuple[str, float]] = {}
        """Whose it was, and since when it is spare (monotonic); the last is the one that was busy last."""

    def born(self, pid: int, line: socket.socket) -> None:
        """A host was forked that has the other end of ``line``."""
        line.setblocking(False)
        self._lines[pid] = line

    def sockets(self) -> list[socket.socket]:
        """Return what is to be waited for."""
        return list(self._lines.values())

    def wait_s(self) -> float | None:
        """Return how soon ``attend`` has something to do though nothing came."""
        return _TICK_S if self._spare else None

    def attend(self) -> None:
        """Hear who is spare, and let go of those that have been so for long."""
        for pid, line in list(self._lines.items()):
            try:
                said, _ = receive(line)
            except BlockingIOError:
                continue
            except (LineEndedError, ValueError, KeyError):
                self._let_go(pid)
            else:
                self._spare[pid] = str(said["spare"]), time.monotonic()
        for pid, (_, since) in list(self._spare.items()):
            if time.monotonic() - since > IDLE_S:
                self._let_go(pid)

    def give(self, directory: AttemptDirectory, team: object, lock: int, control: socket.socket) -> int | None:
        """Give a team's attempt to a spare host of that team and return its pid; None when there is none.

        The lock is held without a break: by the packet until the host has it.
        """
        if not directory.has_short_path():
            return None
        for pid in [pid for pid, (whose, _) in reversed(self._spare.items()) if whose == team]:
            del self._spare[pid]
            with suppress(LineEndedError, BlockingIOError):
                send(self._lines[pid], {"attempt_dir": str(directory.path)}, [lock, control.fileno()])
                return pid
            self._let_go(pid)
        return None

    def close(self) -> None:
        """Let all go; those at work end with their attempt. A new host does it, too: these are not its lines."""
        for pid in list(self._lines):
            self._let_go(pid)

    def _let_go(self, pid: int) -> None:
        self._spare.pop(pid, None)
        self._lines.pop(pid).close()
