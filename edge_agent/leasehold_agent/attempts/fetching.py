"""What a task reads and is too long for a line: fetched into its attempt directory, checked, and named to its host."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from leasehold_agent.backoff import Backoff, persist
from leasehold_agent.errors import RefusedError

Download = Callable[[str, int], AsyncIterator[bytes]]
"""(route of the API, offset) → the bytes from there; raises ``LinkError``."""
FOLDER = "fetched"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_READ_BYTES = 1024 * 1024
_MOST_TRIES = 3


class Fetching:
    """Fetches for one attempt. What came before an outage, or before the agent was killed, is not fetched again."""

    def __init__(self, attempt: Path, download: Download) -> None:
        self._folder = attempt / FOLDER
        self._download = download
        self._locks: dict[str, asyncio.Lock] = {}

    async def bring(self, route: str, sha256: str) -> Path:
        """Return where the content with this hash is, fetched once however many ask.

        Raises:
            LinkError: every kind that waiting does not cure; refused, when it does not arrive with its hash.
            OSError: the disk refuses.
        """
        if not _SHA256.fullmatch(sha256):
            raise RefusedError(422, "invalid_request", "a file is named by its SHA-256: 64 digits, 0-9 and a-f")
        final = self._folder / sha256
        async with self._locks.setdefault(sha256, asyncio.Lock()):
            for _ in range(_MOST_TRIES):
                if final.is_file() or await self._try(route, sha256, final):
                    return final
        raise RefusedError(
            422, "invalid_request", f"{sha256} arrives with another hash: something changes it on its way"
        )

    async def _try(self, route: str, sha256: str, final: Path) -> bool:
        part = final.with_name(f"{sha256}.part")
        await asyncio.to_thread(self._folder.mkdir, mode=0o700, exist_ok=True)
        backoff = Backoff()
        if await asyncio.to_thread(_size, part) == 0 or await asyncio.to_thread(_sha256, part) != sha256:
            try:
                await persist(lambda: self._go_on(route, part, backoff), backoff=backoff)
            except RefusedError as error:
                if error.code != "offset_mismatch":
                    raise
        if await asyncio.to_thread(_sha256, part) != sha256:
            await asyncio.to_thread(part.unlink)
            return False
        await asyncio.to_thread(part.replace, final)
        return True

    async def _go_on(self, route: str, part: Path, backoff: Backoff) -> None:
        offset = await asyncio.to_thread(_size, part)
        with part.open("ab") as file:
            async for chunk in self._download(route, offset):
                await asyncio.to_thread(file.write, chunk)
                backoff.after_success()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()
