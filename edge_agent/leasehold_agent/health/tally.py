"""What happened since the agent started, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counters that only go up."""

    leases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    """Delivered, by kind of ending."""
