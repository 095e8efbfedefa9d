"""What is left of an attempt whose host was killed when no zygote was there to clean up."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from leasehold_agent.host import tree

_PAUSE_S = 0.01


def kill_remains(attempt_dir: Path, *, within_s: float = 10.0) -> list[int]:
    """Kill every process of an attempt; call it before the attempt is reported as lost. Blocks while they die.

    They are known by the environment they were started with: it names an attempt, and its ``HOME`` is the work folder
    of this very directory. A process that was started with another environment, and lost both its host and the zygote,
    is not found.

    Returns:
        The processes that were found.

    Raises:
        TimeoutError: if one of them does not die (the kernel waits for a device or a dead file server).
    """
    found: list[int] = []
    deadline = time.monotonic() + within_s
    while left := _processes_of(attempt_dir):
        found += [pid for pid in left if pid not in found]
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"these processes of attempt {attempt_dir.name} do not die: {', '.join(tree.names(left))}"
            )
        tree.send(left, signal.SIGKILL)
        time.sleep(_PAUSE_S)
    return found


def _processes_of(attempt_dir: Path) -> list[int]:
    home = attempt_dir.resolve() / "work"
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return tree.alive(pid for pid in pids if _belongs(_environment(pid), home))


def _belongs(environment: list[bytes], home: Path) -> bool:
    if not any(entry.startswith(b"LEASEHOLD_ATTEMPT=") for entry in environment):
        return False
    homes = [os.fsdecode(entry[5:]) for entry in environment if entry.startswith(b"HOME=")]
    return any(Path(each).resolve() == home for each in homes)


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
