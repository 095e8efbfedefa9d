"""Blobs named by their content (bundles, files, large XComs) in a local directory."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, Protocol

from leasehold_api.errors import ApiError, InvalidRequestError, NotFoundError
from leasehold_api.fault_points import reach
from leasehold_protocol.v1.problems import ProblemCode

CHUNK_BYTES = 256 * 1024


class BlobStore(Protocol):
    """Bytes by the SHA-256 of their content. Its promises are ``tests/api/contracts/object_stores.py``."""

    async def has(self, sha256: str) -> bool:
        """Return whether the blob is stored, whole; if so it stays for a while, whoever is about to name it."""
        ...

    async def put(self, sha256: str, chunks: AsyncIterator[bytes], *, most_bytes: int) -> int:
        """Store a blob and return its size, once it is durable. Nothing of a broken upload stays.

        Raises:
            InvalidRequestError: if the content has another hash.
            ApiError: ``body_too_large``.
        """
        ...

    async def size(self, sha256: str) -> int:
        """Return the blob's length in bytes.

        Raises:
            NotFoundError: if there is no such blob.
        """
        ...

    async def remove(self, sha256: str, *, untouched_since: float) -> bool:
        """Delete a blob that nobody stored or asked for (``has``) since a moment; say whether it is gone."""
        ...

    def open(self, sha256: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Return the content in chunks, from ``offset`` on.

        Raises:
            NotFoundError: if there is no such blob.
        """
        ...


BlobsOf = Callable[[str], BlobStore]
"""Team id → its blobs. Each team has a store of its own: knowing a hash is not having the content."""


class DirectoryBlobs:
    """Blobs as files: written beside, fsynced, then renamed to their hash."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def has(self, sha256: str) -> bool:
        """Return whether the blob is stored; see the port."""
        return await asyncio.to_thread(_touched, self.path(sha256))

    async def put(self, sha256: str, chunks: AsyncIterator[bytes], *, most_bytes: int) -> int:
        """Store a blob; see the port."""
        path = self.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".incoming-", delete=False) as incoming:
            try:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > most_bytes:
                        raise ApiError(f"at most {most_bytes} bytes are taken here", code=ProblemCode.BODY_TOO_LARGE)
                    digest.update(chunk)
                    await asyncio.to_thread(incoming.write, chunk)
                if digest.hexdigest() != sha256:
                    raise InvalidRequestError(
                        f"the content's SHA-256 is {digest.hexdigest()}, not {sha256}; send again"
                    )
                await asyncio.to_thread(_settle, incoming, path)
            except BaseException:
                os.unlink(incoming.name)  # noqa: PTH108 - a quick call; pathlib's is taken for a slow one
                raise
        return size

    async def size(self, sha256: str) -> int:
        """Return the blob's length; see the port."""
        try:
            return (await asyncio.to_thread(self.path(sha256).stat)).st_size
        except FileNotFoundError:
            raise NotFoundError(f"there is no blob {sha256}") from None

    async def remove(self, sha256: str, *, untouched_since: float) -> bool:
        """Delete a blob that nobody wants; see the port."""
        return await asyncio.to_thread(_removed, self.path(sha256), untouched_since)

    async def open(self, sha256: str, *, offset: int = 0) -> AsyncIterator[bytes]:
        """Return the content in chunks; see the port."""
        try:
            file = await asyncio.to_thread(self.path(sha256).open, "rb")
        except FileNotFoundError:
            raise NotFoundError(f"there is no blob {sha256}") from None
        with file:
            file.seek(offset)
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    def path(self, sha256: str) -> Path:
        """Return where a blob is, or would be."""
        return self._root / sha256[:2] / sha256


def _touched(path: Path) -> bool:
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _removed(path: Path, untouched_since: float) -> bool:
    try:
        if path.stat().st_mtime > untouched_since:
            return False
        path.unlink()
    except FileNotFoundError:
        pass
    return True


def _settle(incoming: IO[bytes], path: Path) -> None:
    incoming.flush()
    reach("api.blob.written.before-fsync")
    os.fsync(incoming.fileno())
    reach("api.blob.durable.before-rename")
    Path(incoming.name).replace(path)
    reach("api.blob.renamed.before-answer")
    fsync_directory(path.parent)


def fsync_directory(path: Path) -> None:
    """Make a rename or a new file in ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
