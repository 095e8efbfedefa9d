"""Time and ids, the two things rules may not make themselves."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime


def now() -> float:
    """Return the time in seconds since 1970, UTC."""
    return time.time()


def instant(seconds: float) -> datetime:
    """Return stored seconds as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def instant_or_none(seconds: float | None) -> datetime | None:
    """Return stored seconds as an aware datetime, keeping none."""
    return None if seconds is None else instant(seconds)


def new_id(prefix: str) -> str:
    """Return an id that sorts by time (milliseconds, then 64 random bits): ``run_019a8f3c2b7e5d1c9a4f0e6b7d21``."""
    return f"{prefix}_{int(time.time() * 1000):012x}{secrets.token_hex(8)}"
