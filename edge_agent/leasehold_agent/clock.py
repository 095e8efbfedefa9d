"""The two clocks of the agent: monotonic time that also counts while suspended, and the server's wall clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_NOTICEABLE_S = 2.0
"""``Date`` has whole seconds and the answer took its way: a smaller difference says nothing."""


def boottime() -> float:
    """Return seconds since boot, suspended time included: leases are counted on this clock, which never jumps."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def utc_now() -> datetime:
    """Return the local wall clock's time."""
    return datetime.now(UTC)


class ServerClock:
    """The server's wall clock as far as its answers tell; a site's own clock may be hours off."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        """How far the server's clock is ahead of ours, in seconds."""

    def now(self) -> float:
        """Return the server's time as a Unix time."""
        return time.time() + self.ahead_s

    def utc(self) -> datetime:
        """Return the server's time."""
        return datetime.fromtimestamp(self.now(), UTC)

    def learn(self, date: str | None, *, local: float) -> None:
        """Take in the ``Date`` header of an answer that arrived at the Unix time ``local`` (RFC 9110, 6.6.1)."""
        if date is None:
            return
        try:
            ahead = parsedate_to_datetime(date).timestamp() + 0.5 - local
        except ValueError:
            return
        self.ahead_s = ahead if abs(ahead) > _NOTICEABLE_S else 0.0
