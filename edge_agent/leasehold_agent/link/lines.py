"""Bytes as they arrive, cut into lines."""

from __future__ import annotations

from collections.abc import AsyncIterator

from leasehold_agent.errors import Trouble, UnavailableError


async def lines_of(chunks: AsyncIterator[bytes], *, longest: int) -> AsyncIterator[bytes]:
    """Yield each whole line; what comes after the last end of a line is none.

    Raises:
        UnavailableError: a line is longer than ``longest`` bytes.
    """
    rest = bytearray()
    async for chunk in chunks:
        rest += chunk
        if len(rest) > longest:
            raise UnavailableError(Trouble.NOT_THE_API, "a line of the stream is longer than any line of the API")
        if b"\n" not in chunk:
            continue
        *lines, last = bytes(rest).split(b"\n")
        rest = bytearray(last)
        for line in lines:
            if line:
                yield line
