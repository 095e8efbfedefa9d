"""Waiting for room on a full disk: what the agent delivers makes some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from leasehold_agent.host.numbered import DiskFullError

_LOOK_AGAIN_S = 0.25


async def when_there_is_room(write: Callable[[], None], *, patience_s: float) -> None:
    """Write; on a full disk, again and again for so long.

    Raises:
        DiskFullError: if the disk did not take it in that time.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + patience_s
    while True:
        try:
            return write()
        except DiskFullError:
            if loop.time() >= give_up_at:
                raise
        await asyncio.sleep(_LOOK_AGAIN_S)
