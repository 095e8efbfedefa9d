"""Clone detection: each agent counts its client assertions with a counter that it makes durable before use.

Two processes with one identity can't both count on without one of them showing a number that was used.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The generation that an assertion showed."""

    number: int
    jti: str
    issued_at: float


class Verdict(Enum):
    """What an assertion's generation means."""

    FRESH = auto()
    REPLAYED = auto()  # this very assertion again, or one that was overtaken on the way: only refused
    CLONED = auto()  # somebody else counts with the same key: lock the agent


def judge(last: Generation | None, shown: Generation) -> Verdict:
    """Compare the generation shown with the newest one known."""
    if last is None or shown.number > last.number:
        return Verdict.FRESH
    if shown.number == last.number:
        return Verdict.REPLAYED if shown.jti == last.jti else Verdict.CLONED
    # A lower number is an old message, unless it was made after the newest one.
    return Verdict.CLONED if shown.issued_at > last.issued_at else Verdict.REPLAYED
