"""Empties the outbox of webhooks: sleeps until something is due; any number of API processes may do so at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from leasehold_api.errors import ApiError
from leasehold_api.webhooks.outbox import Due, HookOutbox, Sent
from leasehold_api.webhooks.sending import HookSender

log = logging.getLogger(__name__)

AT_ONCE = 16
_JOB = "webhooks"
_AT_MOST_EVERY_S = 0.05
_AFTER_AN_ERROR_S = 5.0


class HookCourier:
    """Sends what is due. A receiver that is slow or away delays nothing but what is for webhooks."""

    def __init__(
        self, outbox: HookOutbox, sender: HookSender, scheduler: AsyncIOScheduler, *, clock: Callable[[], float]
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._scheduler = scheduler
        self._clock = clock
        self._turn = asyncio.Lock()
        self._again = False
        self._closed = False

    async def close(self) -> None:
        """Stop; tries under way are finished, what is left is sent after the next start."""
        self._closed = True
        async with self._turn:
            await self._sender.close()

    def look(self) -> None:
        """Look now: something was put into the outbox."""
        if self._turn.locked():
            self._again = True
        else:
            self._wake_at(self._clock())

    async def deliver(self) -> None:
        """Send all that is due."""
        async with self._turn:
            if self._closed:
                return
            self._again = False
            try:
                while not self._closed and (taken := await self._outbox.take(most=AT_ONCE, now=self._clock())):
                    async with asyncio.TaskGroup() as tries:
                        for due in taken:
                            tries.create_task(self._try(due))
                next_due = await self._outbox.next_due()
            except* ApiError as errors:
                log.warning("webhooks wait", extra={"cause": str(errors.exceptions[0])})
                next_due = self._clock() + _AFTER_AN_ERROR_S
        if self._again:
            next_due = self._clock()
        if next_due is not None and not self._closed:
            self._wake_at(next_due)

    async def _try(self, due: Due) -> None:
        try:
            sent = await self._sender.send(due)
        except Exception:  # a defect of ours: it must not keep the others, and not be tried without end
            log.exception("a webhook can't be sent", extra={"webhook": due.id})
            sent = Sent(problem="this is a bug of the API; its log has the details")
        if sent.problem is not None:
            log.warning("a webhook is not taken", extra={"webhook": due.id, "tries": due.tries, "cause": sent.problem})
        await self._outbox.settle(due, sent, now=self._clock())

    def _wake_at(self, moment: float) -> None:
        at = max(moment, self._clock() + _AT_MOST_EVERY_S)
        self._scheduler.add_job(
            self.deliver,
            "date",
            run_date=datetime.fromtimestamp(at, UTC),
            id=_JOB,
            replace_existing=True,
            misfire_grace_time=None,
        )
