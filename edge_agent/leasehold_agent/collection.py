"""Removing what is no longer needed: delivered directories, then bundles nobody uses, then what a crash left of both.

What is not delivered, or was refused and waits for a person, is never removed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from leasehold_agent.attempts.bundles import Bundles
from leasehold_agent.attempts.directory import AttemptDirectories, AttemptDirectory
from leasehold_agent.attempts.roster import Roster
from leasehold_agent.delivery.courier import is_covered

BUNDLES_KEPT_S = 7 * 86400
_BLOCK = 512


class Collector:
    """Removes files. Its methods block; the roster is only looked at."""

    def __init__(
        self, directories: AttemptDirectories, bundles: Bundles, roster: Roster, keep_attempts: Callable[[], int]
    ) -> None:
        self._directories = directories
        self._bundles = bundles
        self._roster = roster
        self._keep_attempts = keep_attempts

    def collect(self) -> None:
        """Remove delivered directories beyond ``keep_attempts``, and bundles that nothing used for a week."""
        covered, keep = list(self._covered()), self._keep_attempts()
        for directory in covered[: len(covered) - keep] if len(covered) > keep else []:
            directory.remove()
        self._bundles.remove_unused(self._used_bundles(), older_than=time.time() - BUNDLES_KEPT_S)

    def make_room(self, wanted_bytes: int) -> int:
        """Remove the least useful things until about so many bytes are free again; return how many were."""
        freed = 0
        for path, remove in self._expendable():
            if freed >= wanted_bytes:
                break
            size = tree_size(path)
            try:
                remove()
            except OSError:
                continue  # What can't be removed now is tried again.
            freed += size
        return freed

    def _expendable(self) -> Iterator[tuple[Path, Callable[[], object]]]:
        """Yield what may go, the least useful first."""
        for directory in self._covered():
            yield directory.path, directory.remove
        for path in self._bundles.unused(self._used_bundles()):
            yield path, lambda path=path: shutil.rmtree(path, ignore_errors=True)  # type: ignore[misc]  # path is bound

    def _covered(self) -> Iterator[AttemptDirectory]:
        ours = self._roster.names
        for directory in self._directories:
            if directory.attempt not in ours and not directory.is_held() and is_covered(directory):
                yield directory

    def _used_bundles(self) -> set[str]:
        ours = self._roster.names
        return {
            str(directory.lease_facts().get("bundle"))
            for directory in self._directories
            if directory.attempt in ours or not is_covered(directory)
        }


def tree_size(path: Path) -> int:
    """Return what a tree takes on the disk, in bytes; what vanishes meanwhile does not count."""
    size, folders = 0, [os.fspath(path)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    size += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
        except OSError:
            continue
    return size
