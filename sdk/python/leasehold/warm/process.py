"""What Linux knows of this process and its children, without the modules that would have to be imported for more."""

from __future__ import annotations

import _socket
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from resource import struct_rusage

_OWN = "/proc/self"


def process_name() -> str:
    """Return what ``ps`` and ``top`` show."""
    with open(f"{_OWN}/comm") as file:  # noqa: PTH123 - pathlib would live in every task
        return file.read().rstrip("\n")


def name_process(name: str) -> None:
    """Set what ``ps`` and ``top`` show."""
    with open(f"{_OWN}/comm", "w") as file:  # noqa: PTH123 - as above
        file.write(name)


def count_threads() -> int:
    """Return how many threads this process has."""
    return len(os.listdir(f"{_OWN}/task"))  # noqa: PTH208 - pathlib would live in every task


def child_pids() -> list[int]:
    """Return this process's children, the dead that nobody has waited for among them."""
    own = os.getpid()
    try:
        with open(f"{_OWN}/task/{own}/children") as file:  # noqa: PTH123 - pathlib would live in every task
            return [int(pid) for pid in file.read().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(pid) == own]  # noqa: PTH208


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - pathlib would live in every task
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


class Children:
    """Tells when children end: ``woken`` becomes readable. One at a time in a process."""

    def __init__(self) -> None:
        self._wake, self.woken = _socket.socketpair()
        self._wake.setblocking(False)
        self.woken.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _noted)  # an ignored signal would not write to the wake-up socket

    def note(self) -> None:
        """Make ``woken`` unreadable until another child ends."""
        try:
            self.woken.recv(4096)
        except BlockingIOError:
            return

    def ended(self) -> Iterator[tuple[int, int, struct_rusage]]:
        """Wait for those that have ended: (pid, wait status, what it and those it waited for used)."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            yield pid, status, used

    def forget(self) -> None:
        """Let go, in a child: the parent's signals are the parent's."""
        signal.set_wakeup_fd(-1)
        self._wake.close()
        self.woken.close()


def _noted(_number: int, _frame: object) -> None:
    """Do nothing: the wake-up socket has it."""
