"""The attempt directory: its names, its lock, and the two files of it that are written whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.fault_points import reach
from leasehold_agent.host.appending import sync_directory

LONGEST_SOCKET_PATH = 107
"""Bytes (``sun_path`` of unix(7))."""

_ENDING_RESERVE = 32 * 1024


class NotStartedError(Exception):
    """No host may begin in this directory.

    Attributes:
        code: ``running`` (a host is at work), ``ended``, ``lost`` (a host was here and is gone) or ``unusable``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class AttemptDirectory:
    """Where everything about one attempt is."""

    path: Path

    @property
    def lease(self) -> Path:
        return self.path / "lease.json"

    @property
    def ending(self) -> Path:
        return self.path / "ending.json"

    @property
    def host(self) -> Path:
        return self.path / "host.json"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def temporary(self) -> Path:
        return self.path / "tmp"

    @property
    def log(self) -> Path:
        return self.path / "output.log"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.ndjson"

    @property
    def state(self) -> Path:
        return self.path / "state.ndjson"

    @property
    def xcoms(self) -> Path:
        return self.path / "xcoms"

    def task_socket(self, host_pid: int) -> str:
        """Return a path that a task can connect to, however deep the directory lies.

        A longer path than a socket address holds is reached through the host's working directory, which is this one.
        """
        return str(self.path / "task.sock") if self.has_short_path() else f"/proc/{host_pid}/cwd/task.sock"

    def has_short_path(self) -> bool:
        """Whether the path of the task's socket fits into a socket address."""
        return len(os.fsencode(self.path / "task.sock")) <= LONGEST_SOCKET_PATH

    def write_host(self, *, pid: int, version: str, task_pid: int | None = None) -> None:
        """Write ``host.json``, for people; that it is there says that a host was.

        Raises:
            OSError: if the disk doesn't take it.
        """
        facts = {"pid": pid, "version": version, "task_pid": task_pid}
        replacement = self.path / "host.json.new"
        try:
            replacement.write_text(json.dumps(facts) + "\n")
            reach("host.facts.before-rename")
            replacement.replace(self.host)
        except OSError:
            with contextlib.suppress(OSError):
                replacement.unlink()
            raise

    def write_rendered(self, shown: dict[str, object]) -> None:
        """Write ``rendered.json``: what people are shown of the arguments. A full disk does without."""
        with contextlib.suppress(OSError):
            (self.path / "rendered.json").write_bytes(json.dumps(shown, ensure_ascii=False).encode(errors="replace"))

    def prepare(self) -> None:
        """Make the task's folders."""
        for folder in (self.work, self.temporary, self.xcoms):
            folder.mkdir(exist_ok=True)

    def remove_sockets(self) -> None:
        """Remove what nobody serves any more."""
        for name in ("task.sock", "host.sock"):
            (self.path / name).unlink(missing_ok=True)

    def listen(self, name: str) -> socket.socket:
        """Return a listening socket at ``name``, however deep the directory lies.

        Raises:
            OSError: if it can't be made.
        """
        (self.path / name).unlink(missing_ok=True)
        folder = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(f"/proc/self/fd/{folder}/{name}")
            listening.listen(64)
        except OSError:
            listening.close()
            raise
        finally:
            os.close(folder)
        return listening

    def lock(self) -> int:
        """Take ``host.lock`` and return its file descriptor: the lock is held until the last copy of it is closed.

        Raises:
            NotStartedError: if a host is here, or was.
        """
        try:
            fd = os.open(self.path / "host.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            message = f"the attempt directory can't be used: {problem.strerror}: {problem.filename}"
            raise NotStartedError("unusable", message) from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._refuse_second_host()
        except BlockingIOError:
            os.close(fd)
            raise NotStartedError("running", "an attempt host is at work here already (host.lock is held)") from None
        except NotStartedError:
            os.close(fd)
            raise
        return fd

    def _refuse_second_host(self) -> None:
        if self.ending.exists():
            raise NotStartedError("ended", "this attempt has ended: ending.json is there")
        if self.host.exists():
            # Starting again could do the task's work twice. Whether it may is for the API to say, with a new epoch.
            raise NotStartedError("lost", "a host was at work here and is gone without an ending: the attempt is lost")


class EndingFile:
    """``ending.json``, with its room on the disk taken in advance: a disk filled by the task must not hide its end."""

    def __init__(self, directory: AttemptDirectory) -> None:
        self._directory = directory
        self._draft = directory.path / "ending.json.new"
        self._fd = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(OSError):
            os.posix_fallocate(self._fd, 0, _ENDING_RESERVE)

    def write(self, ending: dict[str, object]) -> None:
        """Put the ending there, atomically and durably.

        Raises:
            OSError: if the disk doesn't take it, in spite of the reserve.
        """
        text = json.dumps(ending, ensure_ascii=False).encode() + b"\n"
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))
        reach("host.ending.before-fsync")
        os.fsync(self._fd)
        reach("host.ending.before-rename")
        self._draft.replace(self._directory.ending)
        reach("host.ending.before-directory-fsync")
        sync_directory(self._directory.path)
        reach("host.ending.durable")

    def close(self) -> None:
        """Give the file descriptor back."""
        os.close(self._fd)
