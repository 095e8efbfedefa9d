"""Logs of attempts: files that only grow, at the offset that the sender and we agree on."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from leasehold_api.errors import ApiError
from leasehold_api.fault_points import reach
from leasehold_api.objects.blobs import CHUNK_BYTES, fsync_directory
from leasehold_protocol.v1.leases import parse_attempt_id
from leasehold_protocol.v1.problems import ProblemCode

_WRITERS = 32


class LogStore(Protocol):
    """Bytes of logs. Its promises are ``tests/api/contracts/object_stores.py``."""

    async def append(self, attempt: str, offset: int, data: bytes) -> int:
        """Append ``data`` at ``offset`` and return the new size, once it is durable. What is there already is kept.

        Raises:
            ApiError: ``offset_mismatch``, with the offset to go on from, if there would be a gap.
        """
        ...

    async def size(self, attempt: str) -> int:
        """Return how many bytes of the log are here."""
        ...

    async def read(self, attempt: str, offset: int, most: int) -> bytes:
        """Return bytes from ``offset``; none when there are no more."""
        ...

    async def sha256(self, attempt: str) -> str:
        """Return the SHA-256 of all that is here."""
        ...

    async def clear(self, attempt: str) -> None:
        """Forget the log: its checksum did not fit and it will be sent again."""
        ...


class DirectoryLogs:
    """Logs as files in a local directory; several API processes may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # They wait for the disk. A file system makes durable in one go what many ask for at once.
        self._writers = ThreadPoolExecutor(max_workers=_WRITERS, thread_name_prefix="log")

    async def append(self, attempt: str, offset: int, data: bytes) -> int:
        """Append at an offset; see the port."""
        appending = partial(self._append, self._path(attempt), offset, data)
        return await asyncio.get_running_loop().run_in_executor(self._writers, appending)

    async def size(self, attempt: str) -> int:
        """Return how many bytes are here; see the port."""
        return await asyncio.to_thread(_size, self._path(attempt))

    async def read(self, attempt: str, offset: int, most: int) -> bytes:
        """Return bytes from an offset; see the port."""
        return await asyncio.to_thread(_read, self._path(attempt), offset, most)

    async def sha256(self, attempt: str) -> str:
        """Return the checksum of all that is here; see the port."""
        return await asyncio.to_thread(_sha256, self._path(attempt))

    async def clear(self, attempt: str) -> None:
        """Forget the log; see the port."""
        await asyncio.to_thread(self._path(attempt).unlink, missing_ok=True)

    def _path(self, attempt: str) -> Path:
        instance, epoch = parse_attempt_id(attempt)
        # The end of an instance's id is its place in the run: spread over directories by the random part instead.
        shard = hashlib.sha256(instance.encode()).hexdigest()[:2]
        return self._root / shard / f"{instance}.{epoch}.log"

    def _append(self, path: Path, offset: int, data: bytes) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with path.open("ab") as file:
            # The same chunk may arrive twice at once: an answer was lost and the sender tried again.
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            if offset > size:
                raise ApiError(
                    f"this log has {size} bytes here: go on from there", code=ProblemCode.OFFSET_MISMATCH, offset=size
                )
            fresh = data[size - offset :]
            if fresh:
                _write_durably(file, fresh)
        if new:
            fsync_directory(path.parent)
        reach("api.log.durable.before-answer")
        return size + len(fresh)


def _write_durably(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    reach("api.log.written.before-fsync")
    os.fsync(file.fileno())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read(path: Path, offset: int, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(most)
    except FileNotFoundError:
        return b""


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        pass
    return digest.hexdigest()
