"""This machine's clock against the API's: a wrong one breaks no lease, but every time that is shown is off."""

from __future__ import annotations


def clock_trouble(*, ahead_s: float, limit_s: float) -> str | None:
    """Return what to know of the clock, or none. ``ahead_s``: how far the API's clock is ahead of ours.

    Leases run on a clock that never jumps, and tokens are made with the API's time: work goes on.
    """
    if abs(ahead_s) <= limit_s:
        return None
    direction = "behind" if ahead_s > 0 else "ahead of"
    return f"clock: this machine's clock is {abs(ahead_s):.0f} s {direction} the API's; times in logs are off by that"
