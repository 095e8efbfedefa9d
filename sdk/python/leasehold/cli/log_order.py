"""Many logs as one, in the order of time: each is read only as far as the order needs."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from leasehold.cli.api import Api
from leasehold.cli.following import Origin, Tail
from leasehold.cli.log_lines import LogLine
from leasehold.cli.patience import Patience

READ_AT_ONCE = 16
"""How many logs are asked for at the same time, at the beginning."""


async def in_order(
    api: Api, tails: Sequence[Tail], patience: Patience, *, reading_on: bool
) -> AsyncIterator[tuple[Origin, LogLine]]:
    """Yield the lines there are by now, of all the logs, oldest first.

    Lines of one log stay in their own order, whatever times they name. A line without a time stands where the one
    before it stands.

    Args:
        api: Where the logs are.
        tails: The logs, each from where it was read so far; earlier ones first where times are the same.
        patience: Bears with an API that is away.
        reading_on: the logs are read further by somebody else: what stands after a last line end is left to them.
    """
    logs = [_Log(tail, reading_on=reading_on) for tail in tails]
    room = asyncio.Semaphore(READ_AT_ONCE)

    async def begin(log: _Log) -> None:
        async with room:
            await log.look(api, patience)

    await asyncio.gather(*(begin(log) for log in logs))
    heap = [(log.at, place) for place, log in enumerate(logs) if log.lines]
    heapq.heapify(heap)
    while heap:
        _, place = heapq.heappop(heap)
        log = logs[place]
        yield log.tail.origin, log.lines.popleft()
        if not log.lines:
            await log.look(api, patience)
        if log.lines:
            heapq.heappush(heap, (log.at, place))


class _Log:
    """One log on its way into the order."""

    def __init__(self, tail: Tail, *, reading_on: bool) -> None:
        self.tail = tail
        self.lines: deque[LogLine] = deque()
        self._reading_on = reading_on
        self._at = datetime.min.replace(tzinfo=UTC)
        self._at_end = tail.complete

    @property
    def at(self) -> datetime:
        """When the next line was written; never before the one before it."""
        self._at = max(self._at, self.lines[0].at or self._at)
        return self._at

    async def look(self, api: Api, patience: Patience) -> None:
        """Read on until there is a line, or the end."""
        while not self.lines and not self._at_end:
            lines, is_news = await self.tail.more(api, patience, wait_s=0)
            self.lines += lines
            if self.tail.complete or not is_news:
                self._at_end = True
                self.lines += [] if self._reading_on or self.tail.complete else self.tail.rest()
