"""Work that is due by time: leases that run out, waits that are over, schedules. Found by an index, not by polling."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from leasehold_api.errors import ApiError
from leasehold_api.leases.claimed import LeaseStore
from leasehold_api.schedules.catalog import ScheduleStore

log = logging.getLogger(__name__)

_JOB = "next deadline"
_AT_MOST_EVERY_S = 0.05
_AFTER_AN_ERROR_S = 2.0


class Timekeeper:
    """Sleeps until the next deadline in the store; any number of API processes may do so at once."""

    def __init__(
        self,
        store: LeaseStore,
        schedules: ScheduleStore,
        scheduler: AsyncIOScheduler,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._schedules = schedules
        self._scheduler = scheduler
        self._clock = clock
        self._looking = False
        self._due: float | None = None
        """The earliest that was heard of since the last look began."""
        self._wakes_at: float | None = None
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def close(self) -> None:
        """Stop looking; a look under way is finished."""
        self._closed = True
        await self._idle.wait()

    def heard(self, key: str) -> None:
        """Take in a signal of ``Topic.TIMER``: nothing is looked up for what is due after the next look anyway."""
        due = float(key) if key else self._clock()
        if self._looking:
            self._due = due if self._due is None else min(self._due, due)
        elif self._wakes_at is None or due < self._wakes_at:
            self._wake_at(due)

    def look(self) -> None:
        """Look now: something may be due earlier than was known."""
        self.heard("")

    async def _look(self) -> None:
        if self._closed:
            return
        self._looking, self._due, self._wakes_at = True, None, None
        self._idle.clear()
        try:
            now = self._clock()
            expired = await self._store.expire(now=now)
            queued = await self._store.queue_due(now=now)
            if expired:
                log.warning("leases expired", extra={"count": expired})
            if queued:
                log.info("what was due is queued, or failed", extra={"count": queued})
            if begun := await self._schedules.begin_due(now=now):
                log.info("schedules were due", extra={"count": begun})
            deadlines = [await self._store.next_deadline(), await self._schedules.next_deadline()]
        except ApiError as error:
            log.error("can't look for what is due", extra={"cause": error.detail})
            deadlines = [self._clock() + _AFTER_AN_ERROR_S]
        finally:
            self._looking = False
            self._idle.set()
        deadline = min((each for each in (*deadlines, self._due) if each is not None), default=None)
        if deadline is not None and not self._closed:
            self._wake_at(deadline)

    def _wake_at(self, deadline: float) -> None:
        at = self._wakes_at = max(deadline, self._clock() + _AT_MOST_EVERY_S)
        self._scheduler.add_job(
            self._look,
            "date",
            run_date=datetime.fromtimestamp(at, UTC),
            id=_JOB,
            replace_existing=True,
            misfire_grace_time=None,
        )
