"""Bodies on their way to the disk: piece by piece, hashed as they come, so that none is ever whole in memory."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from leasehold_agent.host.appending import append_whole
from leasehold_agent.host.http_bodies import Body
from leasehold_agent.host.numbered import DiskFullError

_WRITE_BYTES = 1024 * 1024


async def receive(body: Body, path: Path, *, limit: int) -> tuple[int, str]:
    """Write a body to ``path``, durably, and return (size, SHA-256). Nothing is left of one that breaks off.

    Raises:
        RefusedRequestError: 413, if it is longer than ``limit``.
        DiskFullError: if the disk doesn't take it.
        asyncio.IncompleteReadError: the client has gone.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        raise DiskFullError from None
    try:
        found = await _receive(body, fd, limit)
        await asyncio.to_thread(_sync, fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(path)  # noqa: PTH108 - a quick call; pathlib's is taken for a slow one
        raise
    finally:
        os.close(fd)
    return found


async def _receive(body: Body, fd: int, limit: int) -> tuple[int, str]:
    digest, size, waiting = sha256(), 0, bytearray()

    def write(data: bytes, at: int) -> None:
        if not append_whole(fd, data, size=at):
            raise DiskFullError
        digest.update(data)

    async for part in body.parts(limit):
        waiting += part
        if len(waiting) >= _WRITE_BYTES:
            data, waiting = bytes(waiting), bytearray()
            await asyncio.to_thread(write, data, size)  # a slow disk holds up this body only
            size += len(data)
    write(bytes(waiting), size)
    return size + len(waiting), digest.hexdigest()


def _sync(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError:
        raise DiskFullError from None
