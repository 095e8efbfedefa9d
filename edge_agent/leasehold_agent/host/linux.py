"""What Linux offers and Python's standard library does not: see prctl(2), timerfd_create(2) and fallocate(2)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_OOM_PREFERENCE = 500
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_TFD_TIMER_ABSTIME = 1
_CLOCK_BOOTTIME = 7
_FALLOC_FL_KEEP_SIZE = 1


def shut_memory() -> None:
    """Keep this process's memory, where keys and secrets are, from core files and from other processes of its user.

    Without being dumpable it leaves no core, not to a core handler like systemd-coredump either, and only root may
    trace it, or read its memory, environment, working directory and open files in /proc. An exec undoes that in the
    child; what stays is that cores are off. A task that wants one raises its own limit (``ulimit -c unlimited``).
    """
    leave_no_core()
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def leave_no_core() -> None:
    """Let neither this process nor what it starts leave a core file, unless that asks for one."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def bound_memory(most: int) -> None:
    """Bound this process's address space, and that of what it starts, to ``most`` bytes; nobody can raise it again."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


class _Timespec(ctypes.Structure):
    _fields_ = (("sec", ctypes.c_long), ("nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


def become_subreaper() -> None:
    """Make this process the parent of every descendant that loses its own: nothing of a tree can slip away."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def name_process(name: str) -> None:
    """Set what ``ps`` and ``top`` show (15 characters)."""
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def prefer_for_oom_kill(pid: int) -> None:
    """Let the kernel kill ``pid`` before the host when memory runs out. Not being allowed to is no error."""
    with contextlib.suppress(OSError):
        own = int(Path("/proc/self/oom_score_adj").read_text())
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(min(1000, own + _OOM_PREFERENCE)))


def take_room(fd: int, offset: int, size: int) -> None:
    """Take ``size`` bytes of the disk for a file without making it longer; where that can't be, nothing happens."""
    _libc.fallocate(fd, _FALLOC_FL_KEEP_SIZE, ctypes.c_longlong(offset), ctypes.c_longlong(size))


class BootTimer:
    """A timer on CLOCK_BOOTTIME, as a file descriptor that becomes readable: also right after a machine woke up."""

    def __init__(self) -> None:
        self.fd: int = _libc.timerfd_create(_CLOCK_BOOTTIME, os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def set(self, at_s: float) -> None:
        """Fire at ``at_s`` seconds of CLOCK_BOOTTIME; at once, if that is past."""
        nanoseconds = max(1, int(at_s * 1e9))  # 0 would switch the timer off
        value = _Timespec(nanoseconds // 10**9, nanoseconds % 10**9)
        _libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(_Itimerspec(_Timespec(0, 0), value)), None)

    def close(self) -> None:
        """Give the file descriptor back."""
        os.close(self.fd)
