"""Keeps what answers on local sockets answering: the agent works without them, and never ends because of one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

_AGAIN_AFTER_S = 5.0
logger = logging.getLogger(__name__)


async def keep_serving(what: str, serve: Callable[[], Awaitable[None]]) -> None:
    """Serve until cancelled; where that can't be (a full disk, an address in use) say so and try again."""
    was_said = ""
    while True:
        try:
            await serve()
        except OSError as error:
            if str(error) != was_said:
                logger.warning("not served, tried again", extra={"what": what, "error": str(error)})
                was_said = str(error)
        await asyncio.sleep(_AGAIN_AFTER_S)
