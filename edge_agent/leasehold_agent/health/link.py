"""A link that breaks again and again: leases taken over it would only be lost."""

from __future__ import annotations

from collections import deque

WINDOW_S = 600.0
MOST_BREAKS = 20
"""One break in thirty seconds, all through the window. An API that restarts is one break."""
CALM_S = 60.0
"""Without a break for so long, the link is taken for good again."""


class LinkHistory:
    """When the link broke lately."""

    def __init__(self) -> None:
        self._breaks: deque[float] = deque()
        self._flaps = False
        self.breaks_in_all = 0

    def broke(self, now: float) -> None:
        """The link worked, and broke (``now`` is monotonic)."""
        self._breaks.append(now)
        self.breaks_in_all += 1

    def trouble(self, now: float) -> str | None:
        """Return why no leases should be taken over this link, or none."""
        while self._breaks and self._breaks[0] < now - WINDOW_S:
            self._breaks.popleft()
        if len(self._breaks) >= MOST_BREAKS:
            self._flaps = True
        if not self._breaks or now - self._breaks[-1] >= CALM_S:
            self._flaps = False
            if len(self._breaks) >= MOST_BREAKS:
                self._breaks.clear()
        if not self._flaps:
            return None
        return (
            f"link: it broke {len(self._breaks)} times in {WINDOW_S / 60:.0f} minutes"
            f" (work is taken again after {CALM_S:.0f} s without a break)"
        )
