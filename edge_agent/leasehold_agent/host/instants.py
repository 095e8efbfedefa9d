"""Points in time: as the attempt directory writes them, and as a deadline is kept."""

from __future__ import annotations

import time

from leasehold.runtime.rules.instants import normalised as normalised
from leasehold.runtime.rules.instants import now as now


def boottime() -> float:
    """Return seconds of CLOCK_BOOTTIME: counts suspended time, knows no clock jumps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
