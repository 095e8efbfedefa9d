"""Notices that an author saved something: by looking at the files, which works on every file system."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

LOOK_EVERY_S = 0.1
Picture = dict[str, tuple[int, int]]


class Saves:
    """The files of one DAG as they were last read."""

    def __init__(self, dag_file: Path) -> None:
        self._dag_file = dag_file
        self._named: list[Path] = []
        self._picture = self._look()

    def read(self, files: Iterable[str] = ()) -> None:
        """The files are read now: those of the bundle, by their names beside the DAG file, are watched as well."""
        self._named = [self._dag_file.parent / name for name in files] or self._named
        self._picture = self._look()

    async def next(self) -> None:
        """Wait until one of them is another than when it was read, and none changes any more for a moment."""
        while self._look() == self._picture:  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(LOOK_EVERY_S)
        # An editor may write a file in several steps, and somebody may save several files at once.
        before = None
        while (now := self._look()) != before:
            before = now
            await asyncio.sleep(LOOK_EVERY_S)

    def _look(self) -> Picture:
        # What lies beside the DAG file may be imported by it after the next save, or hold the mistake.
        files = {self._dag_file, *self._named, *self._dag_file.parent.glob("*.py")}
        found: Picture = {}
        for file in files:
            try:
                facts = file.stat()
            except OSError:
                continue
            found[str(file)] = (facts.st_mtime_ns, facts.st_size)
        return found
