"""Tells the service manager (systemd's protocol) that the agent is ready, that it ends, and that it is not stuck."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress

LONGEST_SILENCE_S = 1200.0
"""A healthy link asks, renews or fails at least every 565 s (``chores.HEALTH_EVERY_S``): after twice that it hangs."""


class ServiceManager:
    """The line to whoever started this process as a service; without one, everything here does nothing."""

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        self._address = address
        self._watchdog_s = watchdog_s

    @classmethod
    def take_from(cls, environ: MutableMapping[str, str]) -> ServiceManager:
        """Take the line out of the environment: a task must not speak for the agent."""
        address = environ.pop("NOTIFY_SOCKET", None)
        microseconds = environ.pop("WATCHDOG_USEC", "")
        is_ours = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        is_watched = is_ours and microseconds.isdigit() and int(microseconds) > 0
        return cls(address, int(microseconds) / 1e6 if is_watched else None)

    def ready(self) -> None:
        """Say that the agent works: what is on disk is looked after, and new work is asked for."""
        self._tell("READY=1\nSTATUS=asks for work, or says in edge-agent status why not")

    def stopping(self) -> None:
        """Say that the agent drains."""
        self._tell("STOPPING=1\nSTATUS=draining")

    async def keep_fed(self, last_progress: Callable[[], float]) -> None:
        """Feed the watchdog as long as the event loop turns and the link gets somewhere, be it an error.

        Args:
            last_progress: when a request was last begun, answered or given up (``time.monotonic``).
        """
        if self._address is None or self._watchdog_s is None:
            return
        while True:
            if not is_stuck(now=time.monotonic(), last_progress=last_progress()):
                self._tell("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 3)

    def _tell(self, what: str) -> None:
        if self._address is None:
            return
        # An abstract socket is written with @; a service manager that is gone is nobody's loss.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.sendto(what.encode(), address)


def is_stuck(*, now: float, last_progress: float) -> bool:
    """Tell whether the link has been silent for longer than it ever is."""
    return now - last_progress > LONGEST_SILENCE_S
