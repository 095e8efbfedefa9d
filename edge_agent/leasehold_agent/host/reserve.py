"""Room on the disk that is taken in advance, so that a disk which tasks filled does not keep the last word out."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from leasehold_agent.host import linux
from leasehold_agent.host.appending import append_whole

_VALUE_BYTES = 32 * 1024
_LINES_BYTES = 8 * 1024


def reserve_lines(fd: int, size: int) -> None:
    """Take room for the next lines of a file of ``size`` bytes. A disk that has none is no error."""
    linux.take_room(fd, size, _LINES_BYTES)


class NextFile:
    """The file of the value that is written next: it is there, and has room, before it is needed.

    Without it tasks could wait for each other for ever: each for the room that only the others' ending makes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        with contextlib.suppress(OSError):
            self._fd = _opened(path)
            os.posix_fallocate(self._fd, 0, _VALUE_BYTES)

    def write(self, text: bytes) -> int | None:
        """Write the whole value and return the open file; None when the disk doesn't take it, which can be repeated."""
        try:
            if self._fd is None:
                self._fd = _opened(self.path)
            os.lseek(self._fd, 0, os.SEEK_SET)
        except OSError:
            return None
        if not append_whole(self._fd, text, size=_VALUE_BYTES):
            return None
        fd, self._fd = self._fd, None
        os.ftruncate(fd, len(text))
        return fd

    def give_back(self) -> None:
        """Nothing more is written."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
            self.path.unlink(missing_ok=True)


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
