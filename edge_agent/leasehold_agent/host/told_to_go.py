"""SIGTERM and SIGINT for an attempt host, as when the machine shuts down."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ToldToGo:
    """Passes them on to the event loop until it is closed.

    Not by the loop's own ``add_signal_handler``: that looks up the names of all signals, each time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, told: Callable[[str], object]) -> None:
        for number in _SIGNALS:
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(told, signal.Signals(number).name))

    def close(self) -> None:
        """Let them do what they do to any process."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
