"""The service's memory, where signing keys and opened secrets are, stays its own: see prctl(2) and core(5)."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def shut_memory() -> None:
    """Leave no core file, and let only root trace this process or read its memory and environment in /proc."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        # Cores that go to a handler (systemd-coredump) do not mind the limit; they do mind this.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
