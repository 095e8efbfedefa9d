"""Files of numbered JSON lines: appended whole or not at all."""

from __future__ import annotations

import json
import os

from leasehold_agent.host.appending import append_whole
from leasehold_agent.host.reserve import reserve_lines


class DiskFullError(Exception):
    """The disk did not take what a task wrote."""


class NumberedLines:
    """A file of JSON lines, numbered from 1 without gaps.

    Attributes:
        seq: The last number.
        size: The file's length in bytes.
    """

    def __init__(self, path: os.PathLike[str]) -> None:
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.seq = 0
        self.size = 0

    def append(self, entries: list[dict[str, object]]) -> None:
        """Append all or none.

        Raises:
            DiskFullError: if the disk doesn't take them.
        """
        numbered = ({"seq": self.seq + n, **entry} for n, entry in enumerate(entries, 1))
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in numbered).encode()
        if not append_whole(self.fd, text, size=self.size):
            raise DiskFullError
        self.size += len(text)
        self.seq += len(entries)

    def reserve(self) -> None:
        """Take room on the disk for the next entries."""
        reserve_lines(self.fd, self.size)
