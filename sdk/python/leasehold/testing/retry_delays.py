"""How long a run in one process waits before a retry: the API's rule. Pure.

``tests/sdk/test_testing_flow.py`` holds it to that of the API.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

_FIRST_S, _LONGEST_S, _SHORTENED_BY = 30.0, 86400.0, 0.25


def retry_delay_s(entry: Mapping[str, object], *, tries: int, instance: str) -> float:
    """Return how many seconds to wait after try number ``tries`` (from 1), by what the author said about the task."""
    first_s = _number(entry.get("retry_delay_s"), _FIRST_S)
    if entry.get("retry_backoff", "constant") == "constant":
        return first_s
    whole = min(first_s * 2.0 ** min(tries - 1, 60), _number(entry.get("max_retry_delay_s"), _LONGEST_S))
    chance = int.from_bytes(hashlib.sha256(f"{instance} {tries}".encode()).digest()[:8], "big") / 2**64
    return whole * (1 - _SHORTENED_BY * chance)


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default
