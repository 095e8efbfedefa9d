"""What is left of an attempt whose host was killed when no zygote was there to clean up."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from leasehold_agent.host import tree

_PAUSE_S = 0.01


def kill_remains(attempt: str, *, within_s: float = 10.0) -> list[int]:
    """Kill every process of ``attempt``; call it before an attempt is reported as lost. Blocks while they die.

    They are known by the ``LEASEHOLD_ATTEMPT`` in the environment they were started with. A process that was started
    with another environment, and lost both its host and the zygote, is not found.

    Returns:
        The processes that were found.

    Raises:
        TimeoutError: if one of them does not die (the kernel waits for a device or a dead file server).
    """
    found: list[int] = []
    deadline = time.monotonic() + within_s
    while left := _processes_of(attempt):
        found += [pid for pid in left if pid not in found]
        if time.monotonic() > deadline:
            raise TimeoutError(f"these processes of attempt {attempt} do not die: {', '.join(tree.names(left))}")
        tree.send(left, signal.SIGKILL)
        time.sleep(_PAUSE_S)
    return found


def _processes_of(attempt: str) -> list[int]:
    entry = b"LEASEHOLD_ATTEMPT=" + os.fsencode(attempt)
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return tree.alive(pid for pid in pids if entry in _environment(pid))


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
