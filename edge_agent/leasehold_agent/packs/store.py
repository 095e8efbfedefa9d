"""Puts packs in place and takes them away, as ``installing.versions`` does with versions of the agent.

A version is put beside the others, tried, and then offered. What is not offered goes as soon as nobody uses it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.durable import sync_directory
from leasehold_agent.installing.versions import Versions
from leasehold_agent.packs.found import users_file
from leasehold_agent.packs.names import NAME, Pack, minor_of, starts

_LOCK = ".lock"
_LOOK_S = 0.05


class StoreBusyError(Exception):
    """Somebody else changes the packs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPack:
    """One version of a pack on this disk."""

    name: str
    version: str
    path: Path
    is_offered: bool
    """Tasks may have it; if not, it goes when nobody uses it any more."""
    is_used: bool


class PackStore:
    """The folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / ".work"
        """Where packs are unpacked; on the same file system as they will be."""

    @contextmanager
    def changing(self, *, patience_s: float = 0.0) -> Generator[None]:
        """Be the only one who changes anything; wait so long for others.

        Raises:
            StoreBusyError: somebody else does.
            OSError: the folder can't be written.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + patience_s
            while not _locked(fd):
                if time.monotonic() >= deadline:
                    raise StoreBusyError
                time.sleep(_LOOK_S)
            yield
        finally:
            os.close(fd)

    def versions(self, name: str) -> Versions:
        """Return the versions of one pack."""
        return Versions(self.root / name, starts=starts(name))

    def has(self, pack: Pack) -> bool:
        """Tell whether a version is on this disk, offered or not."""
        return pack.version in self.versions(pack.name).installed().versions

    def is_offered(self, pack: Pack) -> bool:
        """Tell whether tasks may have this version."""
        return self.versions(pack.name).installed().current == pack.version

    def put(self, tree: Path, pack: Pack) -> Path:
        """Put a tree beside the other versions, whole or not at all, and return where. It is not offered by that.

        Raises:
            VersionRefusedError: it holds no such program.
            OSError: it can't be written; nothing is left of it.
        """
        return self.versions(pack.name).put_version(tree, pack.version, link=True)

    def offer(self, pack: Pack) -> None:
        """Let tasks have a version from now on, instead of the one before.

        Raises:
            VersionRefusedError: it is not there.
            OSError: the link can't be written.
        """
        self.versions(pack.name).flip(pack.version)

    def withdraw(self, name: str) -> None:
        """Let no task have a pack any more. What runs with it goes on.

        Raises:
            OSError: the link can't be removed.
        """
        versions = self.versions(name)
        with suppress(FileNotFoundError):
            versions.link.unlink()
            sync_directory(versions.prefix)

    def clear(self) -> None:
        """Remove what is not offered and not used, and what an interrupted ``put`` left."""
        shutil.rmtree(self.work, ignore_errors=True)
        for one in [one for one in self if not one.is_offered]:
            self._remove(one)
        for name in self._names():
            if not self.versions(name).installed().versions:
                self._forget(name)

    def __iter__(self) -> Iterator[KeptPack]:
        """Yield what is on this disk, in the order of names."""
        for name in self._names():
            versions = self.versions(name)
            installed = versions.installed()
            for version in installed.versions:
                yield KeptPack(
                    name=name,
                    version=version,
                    path=versions.tree(version),
                    is_offered=version == installed.current,
                    is_used=self._is_held(name, version) or versions.in_use(version),
                )

    def _names(self) -> list[str]:
        try:
            names = [path.name for path in self.root.iterdir() if NAME.fullmatch(path.name)]
        except FileNotFoundError:
            names = []
        return sorted(names, key=minor_of)

    def _remove(self, one: KeptPack) -> None:
        # Two kinds of users: hosts hold the lock from the moment they choose it, and warm processes run from it.
        held = self._seize(one.name, one.version)
        if held is None:
            return
        try:
            self.versions(one.name).remove(one.version)
        finally:
            os.close(held)

    def _forget(self, name: str) -> None:
        """Remove the folder of a pack of which there is nothing any more, as far as it can be."""
        folder = self.root / name
        with suppress(OSError):
            for path in (*folder.glob(".users-*"), folder / ".lock"):
                path.unlink(missing_ok=True)
            shutil.rmtree(folder / "versions", ignore_errors=True)  # what an interrupted removal left aside
            folder.rmdir()

    def _is_held(self, name: str, version: str) -> bool:
        with suppress(FileNotFoundError):  # removed by somebody else at this moment
            held = self._seize(name, version)
            if held is not None:
                os.close(held)
            return held is None
        return False

    def _seize(self, name: str, version: str) -> int | None:
        """Hold a version alone; none while a host uses it."""
        fd = os.open(users_file(self.root, name, version), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _locked(fd):
            return fd
        os.close(fd)
        return None


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
