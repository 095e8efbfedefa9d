"""Appending to a file all or nothing, whatever the disk says."""

from __future__ import annotations

import contextlib
import os


def append_whole(fd: int, data: bytes, *, size: int) -> bool:
    """Append ``data`` to a file of ``size`` bytes.

    Returns:
        False when it could not be written whole (disk full, quota, file size limit); the file is then as before.
    """
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError:
        # Half a line would shift everything behind it: readers count bytes.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, size)
        return False
    return True


def sync(fds: list[int]) -> None:
    """Make open files durable. A disk that can't is no reason to stop: what counts is synced again at the end."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.fsync(fd)


def sync_directory(path: os.PathLike[str] | str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync([fd])
    finally:
        os.close(fd)
