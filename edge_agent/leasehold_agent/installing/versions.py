"""The versions of the binary agent on one machine: trees side by side, and one link that says which is in use.

Below a prefix (``/usr/lib/leasehold`` of the packages, ``~/.local/lib/leasehold`` of ``edge-agent install --user``):

    versions/<version>/     the tree of one version: edge-agent, edge-python, _internal/; never changed once it is there
    current                 a link to versions/<version>; whoever starts the agent starts current/edge-agent
    .lock                   held by whoever changes any of this
    versions/.new-*         a tree being made or removed; left by a crash, cleared away by the next ``put_version``

A running agent, its hosts and its tasks load modules late, and from the path they were started by. So a tree is put
beside the others and never over one, and goes only when no process runs from it. A crash at any point leaves the
version that was current current and whole.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.durable import sync_directory
from leasehold_agent.fault_points import reach
from leasehold_agent.installing.trees import copy_tree, digest, make_folders, sync_tree

PROGRAM = "edge-agent"
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+~_-]{0,99}")
_ASIDE = ".new-"


class VersionRefusedError(Exception):
    """The tree can't be put there, whoever tries: its name, its content or a process that runs is in the way."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What is there."""

    versions: tuple[str, ...]
    """In the order of their names."""
    current: str | None
    """The one that is started; none when there is no link, or it leads nowhere."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions below one prefix."""

    prefix: Path
    starts: str = PROGRAM
    """What is started of a tree, by its path in it: packs for tasks are kept in the same way."""

    @property
    def link(self) -> Path:
        """The link to the version in use."""
        return self.prefix / "current"

    @property
    def program(self) -> Path:
        """The command, whichever version is in use: what services start."""
        return self.link / self.starts

    def tree(self, version: str) -> Path:
        """Return where the tree of a version is, or would be."""
        if not _VERSION.fullmatch(version):
            raise VersionRefusedError(f"{version!r} is no version: it begins with a digit and has no slash")
        return self.prefix / "versions" / version

    def put_version(self, tree: Path, version: str, *, link: bool = False) -> Path:
        """Put a copy of ``tree`` beside the other versions, and return where. It is not in use by that.

        Whole or not at all; a version that is there with the same content stays as it is. ``link`` saves its room on
        the disk, if nobody ever writes into a file of ``tree`` again (``trees.copy_tree`` says more).

        Raises:
            VersionRefusedError: it has no program, or that version is there with another content and in use.
            OSError: it can't be written: no space, no permission, a read-only file system. Nothing is left of it.
        """
        place = self.tree(version)
        if not os.access(tree / self.starts, os.X_OK):
            raise VersionRefusedError(f"{tree} holds no program {self.starts}")
        make_folders(place.parent)
        with self._alone():
            for left in place.parent.glob(f"{_ASIDE}*"):
                shutil.rmtree(left)
            if place.exists() and digest(place) == digest(tree):
                return place
            aside = place.with_name(f"{_ASIDE}{version}")
            try:
                copy_tree(tree, aside, link=link)
                sync_tree(aside)
                self._put_in_place(aside, place)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
        return place

    def flip(self, version: str) -> str | None:
        """Make a version the one in use, at once for everybody who looks, and return the one before.

        Raises:
            VersionRefusedError: there is no such version.
            OSError: the link can't be written; the old one stays.
        """
        if not os.access(self.tree(version) / self.starts, os.X_OK):
            raise VersionRefusedError(f"version {version} is not installed below {self.prefix}")
        with self._alone():
            before = self.installed().current
            aside = self.link.with_name(".current.new")
            aside.unlink(missing_ok=True)
            aside.symlink_to(Path("versions") / version)
            reach("install.link.made.before-flip")
            aside.replace(self.link)
            sync_directory(self.prefix)
        return before

    def installed(self) -> Installed:
        """Return which versions there are, and which is in use."""
        try:
            names = sorted(path.name for path in (self.prefix / "versions").iterdir() if path.is_dir())
        except FileNotFoundError:
            names = []
        versions = tuple(name for name in names if _VERSION.fullmatch(name))
        current = self.link.readlink().name if self.link.is_symlink() else None
        return Installed(versions=versions, current=current if current in versions else None)

    def in_use(self, version: str) -> bool:
        """Tell whether a process runs from a version."""
        beginning = os.fsencode(os.path.realpath(self.tree(version))) + b"/"
        return any(program.startswith(beginning) for program in _programs())

    def remove(self, version: str) -> bool:
        """Remove a version that is neither current nor in use; tell whether it is gone."""
        with self._alone():
            if version == self.installed().current or self.in_use(version):
                return False
            # Renamed first: half a tree under its name would pass for a version.
            aside = self.tree(version).with_name(f"{_ASIDE}{version}.gone")
            with suppress(FileNotFoundError):
                self.tree(version).rename(aside)
                shutil.rmtree(aside)
        return True

    def _put_in_place(self, aside: Path, place: Path) -> None:
        reach("install.tree.durable.before-rename")
        if not place.exists():
            aside.rename(place)
        elif self.in_use(place.name):
            raise VersionRefusedError(
                f"version {place.name} is there with another content, and processes run from it ({place})"
            )
        else:
            old = place.with_name(f"{_ASIDE}{place.name}.old")
            place.rename(old)
            aside.rename(place)
            shutil.rmtree(old)
        sync_directory(place.parent)

    @contextmanager
    def _alone(self) -> Generator[None]:
        fd = os.open(self.prefix / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _programs() -> Iterator[bytes]:
    """Yield what each other process runs, and what its command line says that it does.

    Agents and hosts shut their memory: only root sees the executable of another's, and everybody its command.
    """
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue  # the installer: it has loaded what it needs
        with suppress(OSError):
            yield os.fsencode((process / "exe").readlink())
        with suppress(OSError):
            yield (process / "cmdline").read_bytes()
