"""A token bucket per address, in this process."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Rates:
    """Lets ``burst`` requests through at once, and ``per_s`` a second after that, for each address."""

    def __init__(self, *, burst: float = 120, per_s: float = 2, most: int = 10_000) -> None:
        self._burst = burst
        self._per_s = per_s
        self._most = most
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, address: str, *, now: float) -> float:
        """Count a request; return 0 when it may go on, else the seconds until one may."""
        bucket = self._buckets.pop(address, None) or _Bucket(left=self._burst, at=now)
        bucket.left = min(self._burst, bucket.left + max(0.0, now - bucket.at) * self._per_s)
        bucket.at = now
        if len(self._buckets) >= self._most:
            self._buckets.pop(next(iter(self._buckets)))
        self._buckets[address] = bucket
        if bucket.left < 1:
            return (1 - bucket.left) / self._per_s
        bucket.left -= 1
        return 0.0
