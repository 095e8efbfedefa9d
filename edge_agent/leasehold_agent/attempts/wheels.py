"""Wheels that travel with DAGs: on the site's disk under their hash, while environments are built from them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

from leasehold.runtime.rules.locks import ENVIRONMENT_FILE, BadLockError, wanted_environment

WHEEL_LIMIT = 1024 * 1024 * 1024
KEPT_S = 7 * 86400.0
_AT_WORK_S = 3600.0
"""A wheel that was asked for lately may be wanted by a host that is about to build."""


class BadWheelError(Exception):
    """A wheel is not what it should be; fetching it again gives the same."""


class Wheels:
    """``<state>/wheels/<sha256>``."""

    def __init__(self, root: Path, fetch: Callable[[str], AsyncIterator[bytes]]) -> None:
        self.root = root
        self._fetch = fetch
        self._one_at_a_time = asyncio.Lock()

    async def bring_for(self, bundle: Path) -> None:
        """Have every wheel here that a bundle names.

        Raises:
            BadWheelError: the bundle's description can't be used, or a wheel's bytes do not have its hash.
            LinkError: the API could not give one.
            OSError: the disk refuses.
        """
        file = bundle / ENVIRONMENT_FILE
        if not file.is_file():
            return
        try:
            wanted = wanted_environment(file.read_bytes())
        except BadLockError as problem:
            raise BadWheelError(f"{problem}: deploy the DAG again") from problem
        for sha256 in wanted.wheels.values():
            path = self.root / sha256
            with suppress(FileNotFoundError):
                os.utime(path)
                continue
            async with self._one_at_a_time:
                if not path.is_file():
                    await self._bring(sha256, path)

    async def _bring(self, sha256: str, final: Path) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(prefix=".new-", dir=self.root, delete=False) as file:
            aside = Path(file.name)
            try:
                async for chunk in self._fetch(sha256):
                    digest.update(chunk)
                    size += len(chunk)
                    if size > WHEEL_LIMIT:
                        raise BadWheelError(f"wheel {sha256} is larger than {WHEEL_LIMIT} bytes")
                    file.write(chunk)
                file.flush()
                if digest.hexdigest() != sha256:
                    raise BadWheelError(f"wheel {sha256} arrived with another hash: {digest.hexdigest()}")
                await asyncio.to_thread(aside.rename, final)
            finally:
                await asyncio.to_thread(aside.unlink, missing_ok=True)

    def remove_old(self) -> None:
        """Remove what no attempt asked for in a week."""
        for path in self.unused(unused_s=KEPT_S):
            path.unlink(missing_ok=True)

    def unused(self, *, unused_s: float = _AT_WORK_S) -> list[Path]:
        """Return what may go, oldest first: nobody asked for it for so long."""
        with suppress(FileNotFoundError):
            found = [(path.stat().st_mtime, path) for path in self.root.iterdir()]
            return [path for used_at, path in sorted(found) if used_at < time.time() - unused_s]
        return []
