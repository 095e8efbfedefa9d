"""When the disk keeps new work out: too little is free, or the agent itself takes more than its budget."""

from __future__ import annotations

from pathlib import Path

MIB = 1024 * 1024
_FREE_AGAIN = 1.25
_WITHIN_AGAIN = 0.9
_SHARE = 4


def budget_bytes(wish_mb: int | None, total_bytes: int) -> int:
    """Return what attempts and bundles may take: the operator's wish, or a quarter of the file system."""
    return total_bytes // _SHARE if wish_mb is None else wish_mb * MIB


def low_disk(*, free: int, low_water_mb: int, was_low: bool, place: Path) -> str | None:
    """Return why the disk has too little room, or none. What was low is enough again a quarter above the mark."""
    mark = low_water_mb * (_FREE_AGAIN if was_low else 1.0)
    if free >= mark * MIB:
        return None
    return (
        f"disk: {free // MIB} MiB free under {place}, less than disk_low_water_mb = {low_water_mb}"
        f" (work is taken again from {low_water_mb * _FREE_AGAIN:.0f} MiB on)"
    )


def over_budget(*, used: int, budget: int, was_over: bool, place: Path) -> str | None:
    """Return why the agent's own part of the disk is used up, or none; it is not any more a tenth below the budget."""
    if used <= budget * (_WITHIN_AGAIN if was_over else 1.0):
        return None
    return (
        f"budget: attempts and bundles under {place} take {used // MIB} MiB of disk_budget_mb = {budget // MIB}"
        f" (work is taken again below {budget * _WITHIN_AGAIN / MIB:.0f} MiB)"
    )
