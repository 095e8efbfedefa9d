"""How long to wait before a task is tried again. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from leasehold_protocol.v1.manifest import RetryBackoff

SHORTENED_BY = 0.25
"""An exponential delay is shorter by up to this part, so that what failed together does not come back together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDelays:
    """What an author says about the time between tries."""

    first_s: float
    backoff: RetryBackoff = RetryBackoff.CONSTANT
    longest_s: float = 86400.0

    def after(self, tries: int, *, instance: str) -> float:
        """Return how many seconds to wait after try number ``tries`` (from 1) of a task instance.

        The same task instance and try give the same answer, whoever asks.
        """
        if self.backoff is RetryBackoff.CONSTANT:
            return self.first_s
        # 2 ** 60 seconds is beyond every longest_s: no number gets too big for a float.
        whole = min(self.first_s * 2.0 ** min(tries - 1, 60), self.longest_s)
        return whole * (1 - SHORTENED_BY * _chance(f"{instance} {tries}"))


def _chance(text: str) -> float:
    """Return a number from 0 to 1 that looks like chance, and is the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
