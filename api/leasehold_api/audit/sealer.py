"""Keeps the audit trail's hash chain up to date: one step after commits, soon enough, and never inside them.

Rows that concurrent transactions chained themselves would fork: each saw the same predecessor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from leasehold_api.audit.trail import Trail
from leasehold_api.errors import ApiError

log = logging.getLogger(__name__)

DELAY_S = 0.25
"""How long a row may wait for others, so that a burst of them is sealed together."""

EVERY_S = 30
"""How often rows are looked for whose process ended before it could seal them."""


class AuditSealer:
    """Seals what was recorded. Any number of API processes may do so at once."""

    def __init__(self, trail: Trail, scheduler: AsyncIOScheduler, *, clock: Callable[[], float]) -> None:
        self._trail = trail
        self._scheduler = scheduler
        self._clock = clock
        self._is_due = False
        self._again = False
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self) -> None:
        """Seal what an earlier process left, and look for such rows now and then."""
        self._scheduler.add_job(self._look_again, "interval", seconds=EVERY_S, coalesce=True)
        self.look()

    async def close(self) -> None:
        """Stop; a step under way is finished."""
        self._closed = True
        await self._idle.wait()

    def look(self) -> None:
        """Seal soon: there are new rows."""
        if not self._idle.is_set():
            self._again = True
        elif not self._is_due and not self._closed:
            self._is_due = True
            at = datetime.fromtimestamp(self._clock() + DELAY_S, UTC)
            self._scheduler.add_job(self._step, "date", run_date=at, misfire_grace_time=None)

    async def _look_again(self) -> None:
        self.look()

    async def _step(self) -> None:
        self._is_due = False
        if self._closed:
            return
        self._idle.clear()
        self._again = False
        try:
            self._again |= await self._trail.seal()
        except ApiError as error:
            # What is not sealed now is sealed at the next signal, or at the next look.
            log.error("can't seal the audit trail", extra={"cause": error.detail})
        finally:
            self._idle.set()
        if self._again:
            self.look()
