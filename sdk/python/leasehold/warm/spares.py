"""Processes between two pieces of work, as whoever forked them sees them: attempt hosts, and keepers of tasks.

A fork copies every page that either side then writes, reference counts among them: most of what a short task costs. So
a process that nothing was left in takes the next piece of work. On its line:

    ← {"spare": whose}            nothing is left of the last one, which was theirs
    → {…} and files               the next one

It ends when its line does: after some seconds without work, or with whoever forked it.
"""

from __future__ import annotations

import time

from leasehold.warm.line import LineEndedError, receive, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from leasehold.warm.line import Line

IDLE_S = 3.0
_TICK_S = 0.5


class Spares:
    """The lines to all of them, and which have nothing to do."""

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}
        self._spare: dict[int, tuple[object, float]] = {}
        """Whose it was, and since when it is spare (monotonic); the last is the one that was busy last."""

    def born(self, pid: int, line: Line) -> None:
        """A process was forked that has the other end of ``line``."""
        line.setblocking(False)
        self._lines[pid] = line

    def lines(self) -> list[Line]:
        """Return what is to be waited for."""
        return list(self._lines.values())

    def wait_s(self) -> float | None:
        """Return how soon ``attend`` has something to do though nothing came."""
        return _TICK_S if self._spare else None

    def attend(self) -> None:
        """Hear who is spare, and let go of those that have been so for long."""
        for pid, line in list(self._lines.items()):
            try:
                said, files = receive(line)
            except BlockingIOError:
                continue
            except (LineEndedError, ValueError):
                self._let_go(pid)
            else:
                if files or "spare" not in said:
                    self._let_go(pid)
                else:
                    self._spare[pid] = said["spare"], time.monotonic()
        for pid, (_, since) in list(self._spare.items()):
            if time.monotonic() - since > IDLE_S:
                self._let_go(pid)

    def give(self, whose: object, message: dict[str, Any], files: Sequence[int]) -> int | None:
        """Give a piece of work to a spare process that is ``whose`` and return its pid; None when there is none.

        What is open there stays open without a break: the packet has it until the process does.
        """
        for pid in [pid for pid, (its, _) in reversed(self._spare.items()) if its == whose]:
            del self._spare[pid]
            try:
                send(self._lines[pid], message, files)
            except (LineEndedError, BlockingIOError):
                self._let_go(pid)
            else:
                return pid
        return None

    def close(self) -> None:
        """Let all go; those at work end with it. A new process does it, too: these are not its lines."""
        for pid in list(self._lines):
            self._let_go(pid)

    def _let_go(self, pid: int) -> None:
        self._spare.pop(pid, None)
        self._lines.pop(pid).close()
