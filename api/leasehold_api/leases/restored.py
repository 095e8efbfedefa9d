"""After a restore from a backup: rules by which nothing that agents do since the backup runs twice. Pure.

The restored rows know nothing of leases that were given out after the backup. Their agents may still run them, under
epochs that this database would give out again. So epochs of the runs in the backup go on far above all of them, and
nothing is leased until the longest lease of that time has run out (decision 41).
"""

from __future__ import annotations

from datetime import UTC, datetime

EPOCHS_COUNT_FROM = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def epoch_floor(restored_at: float | None) -> int:
    """Return what the epochs of restored runs go on from: higher than any that was given out before ``restored_at``.

    One for each second since 2026: no task instance is leased more often than that, and every restore has a higher one.
    """
    return 0 if restored_at is None else max(0, int(restored_at - EPOCHS_COUNT_FROM))


def first_new_run(restored_at: float | None) -> str:
    """Return what sorts before the id of each run made after ``restored_at``, and after all others'."""
    return "" if restored_at is None else f"run_{int(restored_at * 1000):012x}"


def may_lease(leases_from: float | None, *, now: float) -> bool:
    """Say whether a team's task instances may be leased by now."""
    return leases_from is None or now >= leases_from
