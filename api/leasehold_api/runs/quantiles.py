"""Quantiles of measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence


def nearest_rank(values: Sequence[float], quantile: float) -> float:
    """Return the smallest value that at least this part (0 to 1) of the values does not exceed; one at least."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(quantile * len(ranked)) - 1)]
