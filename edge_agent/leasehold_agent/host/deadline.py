"""The lease's deadline: the host ends the task before the lease can go to another, with or without the agent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from leasehold_agent.host import instants
from leasehold_agent.host.linux import BootTimer

FENCE_S = 3.0
"""SIGTERM comes this long before the deadline (or a tenth of what is left, if that is less), SIGKILL at it."""


class Deadline:
    """Calls ``near(seconds left)`` once the deadline is near or past."""

    def __init__(self, near: Callable[[float], None]) -> None:
        self._near = near
        self._fence_s = 0.0
        self._timer = BootTimer()
        asyncio.get_running_loop().add_reader(self._timer.fd, self._fired)

    def set(self, at_s: float) -> None:
        """The lease lasts until ``at_s`` (CLOCK_BOOTTIME)."""
        left = at_s - instants.boottime()
        if left <= 0:
            self._near(0.0)
            return
        self._fence_s = min(FENCE_S, left / 10)
        self._timer.set(at_s - self._fence_s)

    def close(self) -> None:
        """The task has ended: nothing is due any more."""
        asyncio.get_running_loop().remove_reader(self._timer.fd)
        self._timer.close()

    def _fired(self) -> None:
        os.read(self._timer.fd, 8)
        self._near(self._fence_s)
