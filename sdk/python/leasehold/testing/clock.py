"""What time it is while a DAG runs in one process: in a test nobody waits, by hand everybody does."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Says what time it is, and waits.

    Attributes:
        is_virtual: Waiting takes no time, so that waiting again and again has to end some time.
    """

    is_virtual: bool

    def now(self) -> datetime:
        """Return the time, in UTC."""
        ...

    def seconds(self) -> float:
        """Return seconds since some moment."""
        ...

    def wait(self, length_s: float, why: str) -> None:
        """Let time go by; nothing happens when there is none to wait for."""
        ...


class VirtualClock:
    """Waiting moves the clock. The clocks of author's code (``datetime.now()``, ``time.time()``) stay as they are."""

    is_virtual = True

    def __init__(self) -> None:
        self._moved_s = 0.0

    def now(self) -> datetime:
        """See ``Clock``."""
        return datetime.now(UTC) + timedelta(seconds=self._moved_s)

    def seconds(self) -> float:
        """See ``Clock``."""
        return time.monotonic() + self._moved_s

    def wait(self, length_s: float, why: str) -> None:
        """See ``Clock``."""
        del why
        self._moved_s += max(0.0, length_s)


class WallClock:
    """Waits, and says so on standard error."""

    is_virtual = False

    def now(self) -> datetime:
        """See ``Clock``."""
        return datetime.now(UTC)

    def seconds(self) -> float:
        """See ``Clock``."""
        return time.monotonic()

    def wait(self, length_s: float, why: str) -> None:
        """See ``Clock``."""
        if length_s > 0:
            print(f"{why}: goes on in {length_s:g} s", file=sys.__stderr__, flush=True)
            time.sleep(length_s)
