"""Which environments go: what nobody used for long, and the longest unused of what is too much."""

from __future__ import annotations

from collections.abc import Sequence

from leasehold_agent.environments.cache import EnvironmentCache, Found

KEPT_S = 30 * 86400.0
"""Unused for longer, an environment goes."""


def outdated(found: Sequence[Found], *, now: float, most_bytes: int) -> list[Found]:
    """Return what should go, the longest unused first. Whether it is in use, its removal finds out.

    Args:
        found: What is there, the longest unused first.
        now: Unix time.
        most_bytes: What all together may take.
    """
    too_much = sum(one.size for one in found) - most_bytes
    gone: list[Found] = []
    for one in found:
        if one.used_at < now - KEPT_S or too_much > 0:
            gone.append(one)
            too_much -= one.size
    return gone


def collect(cache: EnvironmentCache, *, now: float, most_bytes: int) -> None:
    """Remove what should go and is not used, and what builders left behind. Blocks."""
    cache.clear_all_rests()
    for one in outdated(list(cache), now=now, most_bytes=most_bytes):
        cache.remove(one.key)
