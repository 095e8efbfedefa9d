"""What this machine is, as far as it decides which packs and versions can run here."""

from __future__ import annotations

import os
import platform
import re
import sys

_GLIBC = re.compile(r"glibc ([0-9]+)\.([0-9]+)")


def platform_name() -> str:
    """Return what this machine is called in the repository, like ``linux-x86_64``."""
    return f"{sys.platform}-{platform.machine().lower()}"


def own_glibc() -> tuple[int, int] | None:
    """Return the version of this system's glibc; none when it has another C library."""
    try:
        match = _GLIBC.match(os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (ValueError, OSError):
        return None
    return None if match is None else (int(match[1]), int(match[2]))
