"""Gives a Python process a wall clock that is wrong: put first on ``PYTHONPATH``, with ``WRONG_CLOCK_S`` set.

Only the wall clock: monotonic time goes on as it is, as on a machine whose date somebody set wrong.
"""

from __future__ import annotations

import os
import time

_OFF_S = float(os.environ.get("WRONG_CLOCK_S", "0"))
_time = time.time


def wrong_time() -> float:
    """Return the wrong time."""
    return _time() + _OFF_S


time.time = wrong_time
