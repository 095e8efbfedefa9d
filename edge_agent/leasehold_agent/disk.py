"""The low-water mark: with too little free disk space no new work is taken, since its results need room."""

from __future__ import annotations

import shutil
from pathlib import Path

_MIB = 1024 * 1024


def low_water_reason(state_dir: Path, low_water_mb: int) -> str | None:
    """Return why no new work may be taken, or none when there is room."""
    free_mb = shutil.disk_usage(state_dir).free // _MIB
    if free_mb >= low_water_mb:
        return None
    return f"disk: {free_mb} MiB free under {state_dir}, less than disk_low_water_mb = {low_water_mb}"
