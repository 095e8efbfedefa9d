"""``output.log``: appended whole lines at a time, bounded, and honest about what could not be kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from leasehold_agent.host import instants
from leasehold_agent.host.appending import append_whole
from leasehold_agent.host.lines import record


class LogFile:
    """The log of one attempt.

    Attributes:
        size: Bytes on disk.
    """

    def __init__(self, path: Path, *, limit: int | None = None) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._sha256 = hashlib.sha256()
        self._limit = limit
        self._over_limit = 0
        self._dropped = 0
        self.size = 0

    @property
    def fd(self) -> int:
        """The open file, to fsync."""
        return self._fd

    @property
    def sha256(self) -> str:
        """Over everything on disk, in hexadecimal."""
        return self._sha256.hexdigest()

    def append(self, lines: bytes) -> None:
        """Keep ``lines``, or count them when the limit or the disk does not allow it. Never raises OSError."""
        if not lines:
            return
        if self._limit is not None and self.size + len(lines) > self._limit:
            lines = self._fit(lines, self._limit)
        if (self._dropped and not self._say_what_was_dropped()) or (lines and not self._write(lines)):
            self._dropped += len(lines)

    def agent(self, message: str) -> None:
        """Write a line of the host itself. Exempt from the limit."""
        line = record(instants.now(), "agent", message)
        if self._dropped:
            self._say_what_was_dropped()
        self._write(line)

    def finish(self) -> None:
        """Say what was not kept; the log is complete."""
        if self._dropped:
            self._say_what_was_dropped()
        if self._over_limit:
            self.agent(f"{self._over_limit} bytes of output came after the log's limit and were not kept")

    def _fit(self, lines: bytes, limit: int) -> bytes:
        """Cut ``lines`` to what the limit still allows, and count the rest."""
        if not self._over_limit:
            kept = lines[: lines.rfind(b"\n", 0, max(0, limit - self.size)) + 1]
            self._write(kept)
            lines = lines[len(kept) :]
            self.agent(f"the log has reached its limit of {limit} bytes: the rest is counted, not kept")
        self._over_limit += len(lines)
        return b""

    def _say_what_was_dropped(self) -> bool:
        said = self._write(
            record(instants.now(), "agent", f"{self._dropped} bytes of output were dropped: the disk was full")
        )
        if said:
            self._dropped = 0
        return said

    def _write(self, lines: bytes) -> bool:
        if not append_whole(self._fd, lines, size=self.size):
            return False
        self._sha256.update(lines)
        self.size += len(lines)
        return True
