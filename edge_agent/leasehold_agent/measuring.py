"""Measures the agent's vitals: a walk over its part of the disk, and what is not delivered yet."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from leasehold_agent.attempts.roster import Held, Waiting
from leasehold_agent.collection import tree_size
from leasehold_agent.delivery.delivered import read_delivered
from leasehold_agent.delivery.produced import Produced
from leasehold_agent.environments.cache import EnvironmentCache
from leasehold_agent.health.disk import budget_bytes
from leasehold_agent.health.vitals import Vitals


def measure(state_dir: Path, held: Sequence[Held], backlog: Sequence[Waiting], *, budget_mb: int | None) -> Vitals:
    """Return the vitals; blocks for as long as the disk takes.

    Raises:
        OSError: the state directory can't be looked at.
    """
    disk = shutil.disk_usage(state_dir)
    attempts_bytes = tree_size(state_dir / "attempts")
    waiting = [state_dir / "attempts" / one.attempt for one in backlog]
    ended = [one.directory.path for one in held if one.has_ended.is_set()] + waiting
    unsent = [one.directory.path for one in held] + waiting
    return Vitals(
        disk_free_bytes=disk.free,
        budget_bytes=budget_bytes(budget_mb, disk.total),
        spool_bytes=attempts_bytes
        + tree_size(state_dir / "bundles")
        + tree_size(state_dir / "wheels")
        + sum(one.size for one in EnvironmentCache(state_dir / "environments")),
        attempts_bytes=attempts_bytes,
        undelivered_attempts=len(ended),
        undelivered_log_bytes=sum(_undelivered(path) for path in unsent),
        oldest_undelivered_s=max((_age(path) for path in ended), default=None),
        rss_bytes=_rss(),
    )


def _undelivered(path: Path) -> int:
    return max(0, Produced(path).log_size() - read_delivered(path).log_offset)


def _age(path: Path) -> float:
    """Return how long ago an attempt ended; nothing, when the disk does not say."""
    try:
        return max(0.0, time.time() - (path / "ending.json").stat().st_mtime)
    except OSError:
        return 0.0


def _rss() -> int:
    try:
        resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(resident) * os.sysconf("SC_PAGE_SIZE")
