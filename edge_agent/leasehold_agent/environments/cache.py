"""``<state>/environments/<key>/``: what is there was built whole, and stays as it is. Users hold its lock."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from leasehold_agent.environments.pythons import Interpreter

FORMAT = 1
"""One more when environments are built in another way: then none of before is taken."""
FACTS = "environment.json"
_LOCKS = ".locks"
_KEY_DIGITS = 64


def environment_key(lock: str, python: Interpreter) -> str:
    """Return what names an environment. The SDK is no part of it: tasks get the agent's own, whatever is installed."""
    parts = [str(FORMAT), os.path.realpath(python.path), python.spelled, python.tag, lock]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Hold:
    """A lock on one environment; while it is held, nobody removes that."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        """Give it up."""
        os.close(self._fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One environment on the disk."""

    key: str
    path: Path
    used_at: float
    """Unix time of the last start of a task in it."""
    facts: dict[str, object]
    """What its builder noted: ``python``, ``packages``, ``took_s``, ``size``."""

    @property
    def size(self) -> int:
        """Bytes on the disk, when it was built."""
        size = self.facts.get("size")
        return size if isinstance(size, int) else 0


class EnvironmentCache:
    """The folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """Return where an environment is, or will be."""
        return self.root / key

    def python(self, key: str) -> Path:
        """Return its interpreter."""
        return self.root / key / "bin" / "python"

    def is_ready(self, key: str) -> bool:
        """Say whether it is there, whole."""
        return (self.root / key / FACTS).is_file()

    def share(self, key: str) -> Hold | None:
        """Hold an environment to use it; None while somebody builds or removes it."""
        return self._hold(key, fcntl.LOCK_SH)

    def seize(self, key: str) -> Hold | None:
        """Hold an environment alone; None while anybody has it."""
        return self._hold(key, fcntl.LOCK_EX)

    def is_used(self, key: str) -> bool:
        """Say whether somebody uses or builds it now."""
        hold = self.seize(key)
        if hold is not None:
            hold.release()
        return hold is None

    def note_use(self, key: str) -> None:
        """Note that it is used now: the least used go first."""
        with suppress(OSError):
            os.utime(self.root / key / FACTS)

    def clear_rests(self, key: str) -> None:
        """Remove what earlier builders of an environment left half made; it must be seized."""
        for rest in [*self.root.glob(f".new-{key}*"), *self.root.glob(f".gone-{key}*")]:
            shutil.rmtree(rest, ignore_errors=True)

    def clear_all_rests(self) -> None:
        """Remove whatever was left half made, or half removed, and nobody works on."""
        for rest in [*self.root.glob(".new-*"), *self.root.glob(".gone-*")]:
            key = rest.name.split("-")[1]
            if (hold := self.seize(key)) is not None:
                shutil.rmtree(rest, ignore_errors=True)
                hold.release()

    def remove(self, key: str) -> bool:
        """Remove an environment; False while it is used."""
        hold = self.seize(key)
        if hold is None:
            return False
        try:
            doomed = self.root / f".gone-{key}"
            shutil.rmtree(doomed, ignore_errors=True)
            with suppress(FileNotFoundError):
                self.path(key).rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
            with suppress(OSError):
                (self.root / _LOCKS / key).unlink()
        finally:
            hold.release()
        return True

    def __iter__(self) -> Iterator[Found]:
        """Yield what is there, the longest unused first."""
        with suppress(FileNotFoundError):
            found = [one for path in self.root.iterdir() if (one := self._found(path)) is not None]
            yield from sorted(found, key=lambda one: one.used_at)

    def _found(self, path: Path) -> Found | None:
        if len(path.name) != _KEY_DIGITS:
            return None
        try:
            used_at = (path / FACTS).stat().st_mtime
            facts: object = json.loads((path / FACTS).read_bytes())
        except (OSError, ValueError):
            return None
        known = cast("dict[str, object]", facts) if isinstance(facts, dict) else {}
        return Found(key=path.name, path=path, used_at=used_at, facts=known)

    def _hold(self, key: str, how: int) -> Hold | None:
        file = self.root / _LOCKS / key
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
            # Whoever removes an environment takes its lock file along: a lock on a file that is gone keeps nobody out.
            is_there = os.fstat(fd).st_ino == file.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            is_there = False
        if is_there:
            return Hold(fd)
        os.close(fd)
        return None
