"""Whether streams get through to this site: pure rules over how the last ones went.

A proxy may hold an answer back until it is whole, or cut what stays open. A stream proves itself by its first line at
once and by its keep-alives; where it does not, leases are pulled for a while.
"""

from __future__ import annotations

AGAIN_AFTER_S = 600.0
"""How long leases are pulled before a stream is tried again."""
MOST_BREAKS = 3
"""So many streams in a row that break before their first keep-alive: something cuts them."""


class Passage:
    """What is known of the way. ``now`` is monotonic."""

    def __init__(self) -> None:
        self._closed_until = 0.0
        self._breaks = 0
        self.why: str | None = None
        """Why streams are not used at the moment; none when they are, or were never tried."""

    def is_open(self, now: float) -> bool:
        """Tell whether a stream may be tried."""
        return now >= self._closed_until

    def kept_alive(self) -> None:
        """A keep-alive came in time: streams get through."""
        self._breaks = 0
        self.why = None

    def held_back(self, waited_s: float, now: float) -> None:
        """The API is there, and not even the first line of a stream came."""
        self._close(f"no line of the stream came within {waited_s:.0f} s: a proxy on the way holds answers back", now)

    def broke(self, now: float) -> None:
        """A stream that had begun broke before its first keep-alive."""
        self._breaks += 1
        if self._breaks >= MOST_BREAKS:
            self._close(f"{self._breaks} streams in a row broke before they could prove themselves", now)

    def unknown(self, now: float) -> None:
        """The API has no streams."""
        self._close("this API does not know streams", now)

    def _close(self, why: str, now: float) -> None:
        self._breaks = 0
        self._closed_until = now + AGAIN_AFTER_S
        self.why = f"{why}; leases are pulled, and a stream is tried again after {AGAIN_AFTER_S / 60:.0f} minutes"
