"""Removing what is no longer needed: delivered directories, bundles, wheels, environments, and what a crash left.

What is not delivered, or was refused and waits for a person, is never removed.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.attempts.bundles import Bundles
from leasehold_agent.attempts.directory import AttemptDirectories, AttemptDirectory
from leasehold_agent.attempts.roster import Roster
from leasehold_agent.attempts.wheels import Wheels
from leasehold_agent.delivery.courier import is_covered
from leasehold_agent.environments import ageing
from leasehold_agent.environments.cache import EnvironmentCache

BUNDLES_KEPT_S = 7 * 86400
_BLOCK = 512
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """What tasks with dependencies need, and can be had again."""

    wheels: Wheels
    environments: EnvironmentCache
    packs: Path
    most_mb: Callable[[], int]
    """What all environments together may take (MiB)."""


class Collector:
    """Removes files. Its methods block; the roster is only looked at."""

    def __init__(
        self,
        directories: AttemptDirectories,
        bundles: Bundles,
        roster: Roster,
        keep_attempts: Callable[[], int],
        packages: Packages | None = None,
    ) -> None:
        self._packages = packages
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
        if self._packages is not None:
            self._packages.wheels.remove_old()
            most = self._packages.most_mb() * _MIB
            ageing.collect(self._packages.environments, now=time.time(), most_bytes=most)
            _clear_packs(self._packages.packs)

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
        if self._packages is None:
            return
        for path in self._packages.wheels.unused():
            yield path, path.unlink
        for one in self._packages.environments:
            yield one.path, lambda key=one.key: self._remove_environment(key)  # type: ignore[misc]  # key is bound

    def _remove_environment(self, key: str) -> None:
        if self._packages is not None and not self._packages.environments.remove(key):
            raise OSError("it is used")

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


def _clear_packs(root: Path) -> None:
    """Remove packs that were withdrawn, and are not used any more."""
    if not root.is_dir():
        return
    from leasehold_agent.packs.store import PackStore, StoreBusyError

    store = PackStore(root)
    with suppress(StoreBusyError, OSError), store.changing():
        store.clear()


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
