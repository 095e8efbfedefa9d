"""The environment of a forked task: its own, for itself and for whoever looks at it in /proc.

``/proc/<pid>/environ`` shows where the *first* environment of a process was, before any fork. The task zygote is
started with room there, which keeper and task fill: that is how a task is known that lost everybody above it
(``leasehold_agent.host.remains``).
"""

from __future__ import annotations

import os

from leasehold.warm.linux import write_memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ROOM = "LEASEHOLD_ROOM"
"""A variable that is nothing but room."""
ROOM_BYTES = 8192
_SHOWN = ("LEASEHOLD_ATTEMPT", "HOME")
_START, _END = 47, 48
"""Where proc_pid_stat(5) has ``env_start`` and ``env_end``, counted from behind the name."""


def show_environment(variables: Mapping[str, str]) -> None:
    """Make ``variables`` this process's environment, and show in /proc what the process belongs to."""
    os.environ.clear()  # libc's own list no longer points to where the first environment was
    os.environ.update(variables)
    with open("/proc/self/stat") as file:  # noqa: PTH123 - pathlib would live in every task
        fields = file.read().rpartition(")")[2].split()
    begin, end = int(fields[_START]), int(fields[_END])
    text = b"".join(os.fsencode(f"{name}={variables[name]}") + b"\0" for name in _SHOWN if name in variables)
    if 0 < len(text) <= end - begin:
        write_memory(begin, text.ljust(end - begin, b"\0"))
