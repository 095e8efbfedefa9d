"""A figure: what was measured, in which unit, what it can be compared with, and what we aim for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What the machine itself takes for the least that is needed: nothing can be faster than that here."""

    name: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What we want a figure to be: at most ``value``, or at least."""

    value: float
    at_most: bool = True

    def is_met_by(self, value: float) -> bool:
        """Tell whether ``value`` is good enough."""
        return value <= self.value if self.at_most else value >= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value."""

    name: str
    value: float
    unit: str
    floor: Floor | None = None
    aim: Aim | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The value in floors (for rates: which part of the floor's rate is reached)."""
        return self.value / self.floor.value if self.floor else None

    def as_json(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "floor": self.floor.name if self.floor else None,
            "floor_value": self.floor.value if self.floor else None,
            "ratio": self.ratio,
            "aim": self.aim.value if self.aim else None,
            "aim_is_met": self.aim.is_met_by(self.value) if self.aim else None,
            "note": self.note,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` (0 … 1) of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]
