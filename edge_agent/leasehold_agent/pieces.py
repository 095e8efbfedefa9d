"""A part of a file, read as it is sent: however long it is, little of it is in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

_READ_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some bytes of a file."""

    path: Path
    start: int
    length: int

    async def read(self) -> AsyncIterator[bytes]:
        """Yield them. A file that has become shorter ends the request early, which fails."""
        left = self.length
        with self.path.open("rb") as file:
            file.seek(self.start)
            while left and (data := await asyncio.to_thread(file.read, min(left, _READ_BYTES))):
                left -= len(data)
                yield data
