"""Attempt hosts that can't be started: each new lease would only fail here, so that none is taken until one could."""

from __future__ import annotations

MOST_FAILURES = 2
"""One start may fail because of its own attempt; two in a row are this machine's fault."""
TRY_AGAIN_S = 20.0


class HostStarts:
    """How the last starts of attempt hosts went."""

    def __init__(self) -> None:
        self._failures = 0
        self._failed_at = 0.0
        self._why = ""

    def succeeded(self) -> None:
        """A host was started, or one could be."""
        self._failures = 0

    def failed(self, why: str, *, now: float) -> None:
        """No host was started, for a reason that is not the attempt's own (``now`` is monotonic)."""
        self._failures += 1
        self._failed_at = now
        self._why = why

    def is_worth_a_try(self, now: float) -> bool:
        """Starts fail one after the other, and the last failure is a while ago."""
        return self._failures >= MOST_FAILURES and now - self._failed_at >= TRY_AGAIN_S

    def trouble(self) -> str | None:
        """Return why no leases should be taken, or none."""
        if self._failures < MOST_FAILURES:
            return None
        return f"hosts: no attempt host can be started: {self._why} (tried again every {TRY_AGAIN_S:.0f} s)"
