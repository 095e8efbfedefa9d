"""Uploads in parts: what came is kept through broken requests and restarts, and becomes a blob once it is whole."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from leasehold_api.errors import ApiError, InvalidRequestError
from leasehold_api.fault_points import reach
from leasehold_api.objects.blobs import CHUNK_BYTES, DirectoryBlobs, fsync_directory
from leasehold_protocol.v1.leases import parse_attempt_id
from leasehold_protocol.v1.problems import ProblemCode

_FORGOTTEN_S = 7 * 86400
_WRITE_BYTES = 1024 * 1024
_MOST_RUNNING = 256


class UploadStore(Protocol):
    """Blobs on their way. Its promises are ``tests/api/contracts/object_stores.py``.

    Each attempt has uploads of its own: what one sends can't spoil what another sends under the same name.
    """

    async def stands(self, attempt: str, sha256: str) -> int:
        """Return how many bytes of an upload are here."""
        ...

    async def append(
        self, attempt: str, sha256: str, chunks: AsyncIterator[bytes], *, offset: int, length: int
    ) -> tuple[int, bool]:
        """Append at ``offset``; return where the upload stands, durably, and whether all ``length`` bytes are here.

        Of a request that breaks off what came is kept. When it is whole it is the team's blob.

        Raises:
            ApiError: ``offset_mismatch``, with the offset to go on from, if there would be a gap.
            InvalidRequestError: it is whole and has another hash, or is longer than said: nothing of it stays.
        """
        ...


UploadsOf = Callable[[str], UploadStore]
"""Team id → its uploads."""


class _Digest(Protocol):
    """What hashlib's objects do."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class RunningHashes:
    """The SHA-256 of uploads so far, so that a whole one need not be read again. One process's; the last used."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, _Digest]] = OrderedDict()

    def extend(self, path: str, offset: int, data: bytes) -> None:
        """Note that ``data`` was appended at ``offset``."""
        at, digest = self._known.pop(path, (0, hashlib.sha256()))
        if at != offset:
            return  # another process took parts of it: it is read again in the end
        digest.update(data)
        self._known[path] = (offset + len(data), digest)
        while len(self._known) > _MOST_RUNNING:
            self._known.popitem(last=False)

    def taken(self, path: str, length: int) -> str | None:
        """Return the hash of all ``length`` bytes, if it is known, and forget it."""
        at, digest = self._known.pop(path, (0, hashlib.sha256()))
        return digest.hexdigest() if at == length else None


class DirectoryUploads:
    """Uploads as files beside a team's blobs; several API processes may share them."""

    def __init__(self, root: Path, running: RunningHashes) -> None:
        self._incoming = root / "incoming"
        self._blobs = DirectoryBlobs(root)
        self._running = running

    async def stands(self, attempt: str, sha256: str) -> int:
        """Return how many bytes are here; see the port."""
        return await asyncio.to_thread(_size, self._path(attempt, sha256))

    async def append(
        self, attempt: str, sha256: str, chunks: AsyncIterator[bytes], *, offset: int, length: int
    ) -> tuple[int, bool]:
        """Append a part; see the port."""
        path = self._path(attempt, sha256)
        if await self._blobs.has(sha256):
            await asyncio.to_thread(path.unlink, missing_ok=True)
            return length, True
        await asyncio.to_thread(self._begin, path)
        at, waiting = offset, bytearray()
        try:
            async for chunk in chunks:
                waiting += chunk
                if at + len(waiting) > length:
                    raise InvalidRequestError(f"more came than the {length} bytes that were said")
                if len(waiting) >= _WRITE_BYTES:
                    at, part, waiting = at + len(waiting), bytes(waiting), bytearray()
                    await asyncio.to_thread(self._write, path, at - len(part), part)
        finally:
            if waiting:  # of a broken request too: what came need not come again
                await asyncio.to_thread(self._write, path, at, bytes(waiting))
        return await asyncio.to_thread(self._settle, path, sha256, length)

    def _path(self, attempt: str, sha256: str) -> Path:
        instance, epoch = parse_attempt_id(attempt)
        return self._incoming / f"{sha256}.{instance}.{epoch}"

    def _begin(self, path: Path) -> None:
        self._incoming.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return
        for other in self._incoming.iterdir():  # what nobody went on with goes when somebody begins
            with suppress(OSError):
                if other.stat().st_mtime < time.time() - _FORGOTTEN_S:
                    other.unlink()
        path.touch(mode=0o600)

    def _write(self, path: Path, offset: int, data: bytes) -> None:
        with path.open("ab") as file:
            # The request of a connection that is dead may still bring its last bytes, beside the one after it.
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            if offset > size:
                detail = f"this upload has {size} bytes here: go on from there"
                raise ApiError(detail, code=ProblemCode.OFFSET_MISMATCH, offset=size)
            if fresh := data[size - offset :]:
                file.write(fresh)
                file.flush()
                self._running.extend(str(path), size, fresh)

    def _settle(self, path: Path, sha256: str, length: int) -> tuple[int, bool]:
        with path.open("rb") as file:
            reach("api.part.written.before-fsync")
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        if size < length:
            return size, False
        found = self._running.taken(str(path), length) or _sha256(path)
        if found != sha256 or size > length:
            path.unlink(missing_ok=True)
            raise InvalidRequestError(f"the content's SHA-256 is {found}, not {sha256}; send all of it again")
        target = self._blobs.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        reach("api.part.whole.before-rename")
        path.replace(target)
        fsync_directory(target.parent)
        return length, True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
