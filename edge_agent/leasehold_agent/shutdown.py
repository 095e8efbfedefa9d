"""How the agent is asked to end: the first TERM or INT drains, the second cancels the attempts, the third ends it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

_KILLED_BY_SIGNAL = 128
logger = logging.getLogger(__name__)


class Shutdown:
    """Counts the signals that ask the agent to stop, and takes the orders that do.

    Args:
        cancel_attempts: called at the second signal, and when the agent is ordered to stop.
    """

    def __init__(self, cancel_attempts: Callable[[], None]) -> None:
        self.asked = asyncio.Event()
        self.in_a_hurry = asyncio.Event()
        """Whoever asked waits for the end: what can't be delivered soon is left on disk."""
        self._cancel_attempts = cancel_attempts
        self._signals = 0

    def listen(self, *, reload: Callable[[], object]) -> None:
        """Take over TERM, INT and HUP."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.take, number)
        loop.add_signal_handler(signal.SIGHUP, reload)

    def take(self, number: int) -> None:
        """Take one signal."""
        self._signals += 1
        match self._signals:
            case 1:
                logger.warning("draining: running attempts finish; a second signal cancels them")
                self.in_a_hurry.set()
                self.asked.set()
            case 2:
                logger.warning("cancelling attempts; a third signal leaves them to their hosts and exits at once")
                self._cancel_attempts()
            case _:
                # No clean-up on purpose: hosts are processes of their own, and the next start finds them.
                os._exit(_KILLED_BY_SIGNAL + number)

    def drain(self, whose: str) -> None:
        """End once the last attempt is delivered, however long that takes; a signal makes it hurry."""
        logger.warning("draining: the agent ends when everything is delivered", extra={"because_of": whose})
        self.asked.set()

    def stop(self) -> None:
        """Cancel the attempts, and end when they have ended."""
        logger.warning("stopping: attempts are cancelled")
        self._cancel_attempts()
        self.in_a_hurry.set()
        self.asked.set()
