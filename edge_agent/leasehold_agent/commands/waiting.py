"""A sign of life on a terminal while a person elsewhere is waited for."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

_EVERY_S = 0.12
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@asynccontextmanager
async def spinning(text: str) -> AsyncGenerator[None, None]:
    """Show ``text`` beside a spinner while the block lasts; once and still where standard error is no terminal."""
    if not sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")
        yield
        return
    spinner = asyncio.create_task(_spin(text))
    try:
        yield
    finally:
        spinner.cancel()
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()


async def _spin(text: str) -> None:
    for frame in itertools.cycle(_FRAMES):
        sys.stderr.write(f"\r{frame} {text}")
        sys.stderr.flush()
        await asyncio.sleep(_EVERY_S)
