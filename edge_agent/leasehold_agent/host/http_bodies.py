"""Bodies of requests (RFC 9112, 6 and 7) as they come: with a length or in chunks, never more than is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from leasehold.runtime.rules.limits import too_large
from leasehold_agent.host.http_answers import malformed

_READ_BYTES = 256 * 1024


class Body:
    """One body on its connection, to be read once.

    Attributes:
        length: How long it is; None when it comes in chunks.
        is_read: It was read to its end: another request may follow on the connection.
    """

    def __init__(
        self, reader: asyncio.StreamReader, length: int | None, *, begin: Callable[[], object] = lambda: None
    ) -> None:
        """Args:
        reader: The connection.
        length: How long the body is; None when it comes in chunks.
        begin: Called before it is read: a client may wait for a word that it is wanted.
        """
        self._reader = reader
        self._begin = begin
        self.length = length
        self.is_read = length == 0

    async def whole(self, limit: int) -> bytes:
        """Return all of it.

        Raises:
            RefusedRequestError: 413, if it is longer than ``limit``.
        """
        return b"".join([part async for part in self.parts(limit)])

    async def parts(self, limit: int) -> AsyncIterator[bytes]:
        """Yield it as it comes.

        Raises:
            RefusedRequestError: 413, once it is longer than ``limit``; 400, if its chunks are none.
            asyncio.IncompleteReadError: the client has gone.
        """
        if self.length is not None and self.length > limit:
            raise too_large(limit)
        self._begin()
        parts = self._chunks(limit) if self.length is None else self._counted(self.length)
        async for part in parts:
            yield part
        self.is_read = True

    async def _counted(self, left: int) -> AsyncIterator[bytes]:
        while left > 0:
            part = await self._some(left)
            left -= len(part)
            yield part

    async def _chunks(self, limit: int) -> AsyncIterator[bytes]:
        total = 0
        while size := _chunk_size(await self._line()):
            total += size
            if total > limit:
                raise too_large(limit)
            while size > 0:
                part = await self._some(size)
                size -= len(part)
                yield part
            if await self._reader.readexactly(2) != b"\r\n":
                raise malformed("a chunk does not end where its length says")
        while await self._line():
            pass  # trailers: nothing here uses them

    async def _some(self, most: int) -> bytes:
        part = await self._reader.read(min(most, _READ_BYTES))
        if not part:
            raise asyncio.IncompleteReadError(b"", most)
        return part

    async def _line(self) -> bytes:
        try:
            line = await self._reader.readuntil(b"\r\n")
        except asyncio.LimitOverrunError:
            raise malformed("a chunk's first line is too long") from None
        return line[:-2]


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        if not 0 < len(digits) <= 8 or not digits.isalnum():
            raise ValueError
        return int(digits, 16)
    except ValueError:
        raise malformed(f"{line[:40]!r} is no chunk length") from None
