"""What the agent measures of itself and of its disk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """One measurement."""

    disk_free_bytes: int
    budget_bytes: int
    spool_bytes: int
    """What attempts and bundles take."""
    attempts_bytes: int
    """What attempts alone take."""
    undelivered_attempts: int
    """Ended, and not acknowledged whole."""
    undelivered_log_bytes: int
    oldest_undelivered_s: float | None
    """How long ago the oldest of them ended."""
    rss_bytes: int
