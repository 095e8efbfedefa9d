"""What the task keeps for later attempts, as this one wrote it: appended to ``state.ndjson``, delivered from there."""

from __future__ import annotations

import json
import os

from leasehold_agent.host import instants
from leasehold_agent.host.numbered import NumberedLines


class KeptState:
    """The writes of this attempt, and what they say about a key.

    Attributes:
        lines: The file.
        is_cleared: Nothing from before this attempt counts any more.
    """

    def __init__(self, path: os.PathLike[str]) -> None:
        self.lines = NumberedLines(path)
        self.is_cleared = False
        self._path = path
        self._written: dict[str, tuple[int, int, float | None] | None] = {}

    def set(self, key: str, value: object, *, expires_after_s: float | None) -> None:
        """Keep a value.

        Raises:
            DiskFullError: if the disk doesn't take it.
        """
        start = self.lines.size
        entry: dict[str, object] = {"at": instants.now(), "key": key, "value": value}
        if expires_after_s is not None:
            entry["expires_after_s"] = expires_after_s
        self.lines.append([entry])
        ends_at = None if expires_after_s is None else instants.boottime() + expires_after_s
        self._written[key] = (start, self.lines.size - start, ends_at)

    def remove(self, key: str) -> None:
        """Let go of a key.

        Raises:
            DiskFullError: if the disk doesn't take that.
        """
        self.lines.append([{"at": instants.now(), "key": key, "removed": True}])
        self._written[key] = None

    def clear(self) -> None:
        """Let go of everything.

        Raises:
            DiskFullError: if the disk doesn't take that.
        """
        self.lines.append([{"at": instants.now(), "removed": True}])
        self._written = {}
        self.is_cleared = True

    def knows(self, key: str) -> bool:
        """This attempt's own writes say what there is under a key."""
        return self.is_cleared or key in self._written

    def has(self, key: str) -> bool:
        """This attempt wrote a value under a key, and it still counts."""
        written = self._written.get(key)
        return written is not None and (written[2] is None or instants.boottime() < written[2])

    def value(self, key: str) -> object:
        """Return the value that this attempt wrote; ``has`` says that there is one."""
        written = self._written[key]
        if written is None:
            raise KeyError(key)
        start, length, _ = written
        with open(self._path, "rb") as file:  # noqa: PTH123 - any PathLike
            file.seek(start)
            entry: dict[str, object] = json.loads(file.read(length))
        return entry["value"]

    def keys(self, before: list[str]) -> list[str]:
        """Return the keys there are, given those from before this attempt."""
        kept = [] if self.is_cleared else [key for key in before if key not in self._written]
        return sorted([*kept, *(key for key in self._written if self.has(key))])

    def count(self) -> int:
        """Return how many keys have a value by this attempt."""
        return sum(self.has(key) for key in self._written)
