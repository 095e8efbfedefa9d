"""Bundles: the authors' code, in a cache by content. What is in the cache was checked, whole, and is never changed."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path, PurePosixPath

from leasehold_agent.attempts.wheels import BadWheelError, Wheels
from leasehold_agent.durable import sync_directory

UNPACKED_LIMIT = 1024 * 1024 * 1024
"""Bytes that a bundle may become: a zip of a few KiB can hold petabytes."""
PACKED_LIMIT = 256 * 1024 * 1024
_CHUNK = 1024 * 1024


class BadBundleError(Exception):
    """The bundle is not what it should be; fetching it again gives the same."""


class Bundles:
    """``<state>/bundles/<sha256>/``."""

    def __init__(
        self, root: Path, fetch: Callable[[str], AsyncIterator[bytes]], *, wheels: Wheels | None = None
    ) -> None:
        self._root = root
        self._wheels = wheels
        self._fetch = fetch
        self._locks: dict[str, asyncio.Lock] = {}

    async def ensure(self, sha256: str) -> Path:
        """Return the unpacked bundle's directory, fetched once however many ask, with the wheels that it names.

        Raises:
            BadBundleError: its bytes, or those of a wheel, have another hash, or it is no zip that may be unpacked.
            LinkError: the API could not give it.
            OSError: the disk refuses.
        """
        final = self._root / sha256
        if not final.is_dir():
            async with self._locks.setdefault(sha256, asyncio.Lock()):
                if not final.is_dir():
                    await self._bring(sha256, final)
            self._locks.pop(sha256, None)
        if self._wheels is not None:
            try:
                await self._wheels.bring_for(final)
            except BadWheelError as error:
                raise BadBundleError(str(error)) from error
        return final

    async def _bring(self, sha256: str, final: Path) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root))
        try:
            packed = aside / "bundle.zip"
            await self._download(sha256, packed)
            await asyncio.to_thread(unpack, packed, aside / "tree")
            (aside / "tree").rename(final)
            sync_directory(self._root)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    async def _download(self, sha256: str, packed: Path) -> None:
        digest, size = hashlib.sha256(), 0
        with packed.open("xb") as file:
            async for chunk in self._fetch(sha256):
                digest.update(chunk)
                size += len(chunk)
                if size > PACKED_LIMIT:
                    raise BadBundleError(f"bundle {sha256} is larger than {PACKED_LIMIT} bytes")
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise BadBundleError(f"bundle {sha256} arrived with another hash: {digest.hexdigest()}")

    def remove_unused(self, used: set[str], *, older_than: float) -> None:
        """Remove bundles that no attempt on disk names and that were made before the Unix time ``older_than``."""
        for path in self.unused(used):
            if path.stat().st_mtime < older_than:
                shutil.rmtree(path, ignore_errors=True)

    def unused(self, used: set[str]) -> list[Path]:
        """Return the bundles that no attempt on disk names, oldest first; with them what a crash left half made."""
        if not self._root.is_dir():
            return []
        # One that is on its way has its lock, but its folder another name: it is the newest there.
        is_busy = bool(self._locks)
        found = [
            path
            for path in self._root.iterdir()
            if path.name not in used and path.name not in self._locks and not (is_busy and path.name.startswith("."))
        ]
        return sorted(found, key=lambda path: path.stat().st_mtime)


def unpack(packed: Path, target: Path) -> None:
    """Unpack a zip, durably.

    Raises:
        BadBundleError: it is no zip, is damaged, or holds what would land outside ``target``.
    """
    try:
        with zipfile.ZipFile(packed) as archive:
            members = archive.infolist()
            for member in members:
                _check(member)
            if sum(member.file_size for member in members) > UNPACKED_LIMIT:
                raise BadBundleError(f"the bundle would unpack to more than {UNPACKED_LIMIT} bytes")
            target.mkdir(mode=0o700)
            for member in members:
                _extract(archive, member, target)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadBundleError(f"the bundle is not a zip that can be unpacked: {error}") from error


def _check(member: zipfile.ZipInfo) -> None:
    path = PurePosixPath(member.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename:
        raise BadBundleError(f"the bundle holds a path that leads outside: {member.filename!r}")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadBundleError(f"the bundle holds something that is neither file nor folder: {member.filename!r}")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    path = target / member.filename
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    left = member.file_size
    with archive.open(member) as source, path.open("xb") as file:
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise BadBundleError(f"the bundle lies about the size of {member.filename!r}")
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if (member.external_attr >> 16) & stat.S_IXUSR:
        path.chmod(0o755)
