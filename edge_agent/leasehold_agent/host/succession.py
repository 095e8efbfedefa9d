"""One attempt after another in one host process, as long as nothing of the last one is left in it."""

from __future__ import annotations

import gc
import os
import resource
import socket
from pathlib import Path

from leasehold.warm.line import LineEndedError, receive, send
from leasehold_agent.host import linux
from leasehold_agent.host.directory import AttemptDirectory
from leasehold_agent.host.life import live
from leasehold_agent.host.warm.door import WarmDoor

_MOST_ATTEMPTS = 500
"""After so many a host gives back what memory it gathered, by ending."""


def live_on(
    directory: AttemptDirectory, lock: int, control: socket.socket, line: socket.socket, warm: WarmDoor | None
) -> None:
    """Be the host of one attempt after another, as long as nothing of the last one is left in this process.

    Args:
        directory: The first attempt's directory.
        lock: Its ``host.lock``, which this process holds.
        control: Its listening ``host.sock``.
        line: The zygote's, from which the next ones come.
        warm: Where a warm process may be asked for.
    """
    before = _open_files() - {lock, control.fileno()}
    for _ in range(_MOST_ATTEMPTS):
        team = live(directory, control, warm).team
        control.close()
        os.close(lock)
        os.chdir(directory.path.parent)  # the attempt may be removed
        if team is None or not _is_as_new(before):
            return
        linux.name_process("spare-host")
        try:
            send(line, {"spare": team})
            message, (lock, fd) = receive(line)
        except (LineEndedError, ValueError):
            return
        directory, control = AttemptDirectory(Path(message["attempt_dir"])), socket.socket(fileno=fd)


def _is_as_new(before: set[int]) -> bool:
    """Forget the attempt, and say whether this process is as it was: another attempt's host might else inherit a file,
    a process or its usage. What was started without a keeper was this process's own child."""
    gc.collect()
    gc.freeze()  # what lives now is not looked at again
    had_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
    return not had_children and _open_files() == before


def _open_files() -> set[int]:
    return set(map(int, os.listdir("/proc/self/fd")[:-1]))  # noqa: PTH208 (names only; the last is the listing itself)
