"""Signals: the first TERM or INT drains, the second cancels the attempts, the third ends the agent at once."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable

_KILLED_BY_SIGNAL = 128
logger = logging.getLogger(__name__)


class Shutdown:
    """Counts the signals that ask the agent to stop.

    Args:
        cancel_attempts: called at the second one.
    """

    def __init__(self, cancel_attempts: Callable[[], None]) -> None:
        self.asked = asyncio.Event()
        self._cancel_attempts = cancel_attempts
        self._signals = 0

    def listen(self) -> None:
        """Take over TERM and INT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.take, number)

    def take(self, number: int) -> None:
        """Take one signal."""
        self._signals += 1
        match self._signals:
            case 1:
                logger.warning("draining: running attempts finish; a second signal cancels them")
                self.asked.set()
            case 2:
                logger.warning("cancelling attempts; a third signal leaves them to their hosts and exits at once")
                self._cancel_attempts()
            case _:
                # No clean-up on purpose: hosts are processes of their own, and the next start finds them.
                os._exit(_KILLED_BY_SIGNAL + number)
