"""Push: one request whose answer stays open; leases and orders are lines of it, never more leases than were granted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.clock import boottime
from leasehold_agent.errors import LinkError, RefusedError, Trouble, UnavailableError
from leasehold_agent.link.credits import Credits
from leasehold_agent.link.greetings import Greetings
from leasehold_agent.link.passage import Passage
from leasehold_agent.link.port import LinkOwner
from leasehold_protocol.v1.grants import StreamGrant, StreamRequest
from leasehold_protocol.v1.leases import LeaseAnswer, OutcomeBatch
from leasehold_protocol.v1.stream import StreamLine

FIRST_LINE_S = 10.0
"""The API writes the first line at once: a way that lets it through takes less than this."""
KEEPALIVE_S = 20.0
"""What an API promises that names no other."""
_SETTLE_S = 0.1
"""Slots that short tasks turn over are granted with their outcomes, and need no request of their own."""
_MISSING = (404, 405, 501)
logger = logging.getLogger(__name__)


class StreamApi(Protocol):
    """What is needed of ``link.api.Api``."""

    def stream(self, request: StreamRequest) -> AsyncGenerator[StreamLine, None]: ...
    async def grant(self, grant: StreamGrant) -> None: ...
    async def is_there(self) -> bool: ...


class Push:
    """Holds a stream open."""

    def __init__(
        self, api: StreamApi, owner: LinkOwner, roster: Roster, greetings: Greetings, passage: Passage
    ) -> None:
        self._api = api
        self._owner = owner
        self._roster = roster
        self._greetings = greetings
        self._passage = passage
        self._credits = Credits(0, 0)
        self._first_line = asyncio.Event()
        self._was_kept_alive = False
        self._silence_s = 2 * KEEPALIVE_S

    async def take(self) -> None:
        """Take leases from one stream, for as long as it lasts."""
        self._credits = Credits(time.time_ns() // 1_000_000, self._roster.free)
        self._first_line.clear()
        self._was_kept_alive = False
        listening = asyncio.ensure_future(self._listen())
        others = [
            asyncio.ensure_future(self._first_line_in_time()),
            asyncio.ensure_future(self._greetings.unwanted(self._is_paused_with_credits)),
            asyncio.ensure_future(self._keep_granting()),
        ]
        try:
            await asyncio.wait([listening, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_over = listening.done() and not listening.cancelled() and listening.exception() is None
            for task in (listening, *others):
                task.cancel()
            # Nothing of the stream is left on the wire when hello is said.
            await asyncio.gather(listening, *others, return_exceptions=True)
            if not is_over and self._credits.are_out:
                # Leases may have been on the wire.
                self._greetings.answer_was_lost()
        self._raise_what_went_wrong(listening, others)

    def offer(self, batch: OutcomeBatch) -> OutcomeBatch:
        """Grant the free slots to the stream with the outcomes that free them; no leases come with their answer."""
        return batch.model_copy(update={"free_slots": 0, "grant": self._credits.grant(self._roster.open_slots)})

    def offer_failed(self, batch: OutcomeBatch) -> None:
        """The grant may not have arrived: it is said again."""
        self._credits.forget(batch.grant)
        self._roster.stir()

    def grant(self) -> StreamGrant:
        """Return the newest grant, for a renewal: said again it changes nothing, and proves who holds the stream."""
        return self._credits.grant(self._roster.open_slots)

    async def _listen(self) -> None:
        """Take line after line, until the API ends the stream.

        Raises:
            LinkError: it broke.
        """
        asked_at = boottime()
        request = StreamRequest(stream=self._credits.stream, free_slots=self._credits.granted)
        try:
            async with aclosing(self._api.stream(request)) as lines, asyncio.timeout(None) as patience:
                async for line in lines:
                    if line.keepalive_s is not None:
                        self._silence_s = 2 * line.keepalive_s
                    patience.reschedule(asyncio.get_running_loop().time() + self._silence_s)
                    if line.kind == "refresh":
                        return
                    self._take(line, asked_at)
        except TimeoutError:
            words = f"nothing came on the stream for {self._silence_s:.0f} s"
            raise UnavailableError(Trouble.TIMEOUT, words) from None
        raise UnavailableError(Trouble.BROKEN, "the stream ended without a word")

    def _take(self, line: StreamLine, asked_at: float) -> None:
        if self._first_line.is_set():
            self._was_kept_alive = True
            self._passage.kept_alive()
        self._first_line.set()
        self._credits.heard(line)
        self._owner.link_is(None)
        if line.leases or line.control or line.orders:
            # The stream was opened no earlier than it was asked for: so the lease is at least as young as this says.
            news = LeaseAnswer(leases=line.leases, control=line.control, orders=line.orders, waited_s=0.0)
            self._owner.leased(news, min(boottime(), asked_at + line.after_s))
        if self._credits.is_news(self._roster.open_slots):
            self._roster.stir()

    async def _first_line_in_time(self) -> None:
        """Wait for ever, unless nothing comes although the API is there.

        Raises:
            UnavailableError: something on the way holds the stream back.
        """
        try:
            async with asyncio.timeout(FIRST_LINE_S):
                await self._first_line.wait()
        except TimeoutError:
            if await self._api.is_there():
                self._passage.held_back(FIRST_LINE_S, time.monotonic())
            raise UnavailableError(Trouble.TIMEOUT, "no line of the stream came") from None
        await asyncio.Event().wait()

    async def _keep_granting(self) -> None:
        """Tell the API of slots that became free, or are not to be filled any more, unless outcomes told it."""
        await self._first_line.wait()
        while True:
            changed = asyncio.ensure_future(self._roster.changed())
            try:
                if self._credits.is_news(self._roster.open_slots):
                    await asyncio.sleep(_SETTLE_S)
                    if self._credits.is_news(self._roster.open_slots):
                        await self._grant()
                else:
                    await changed
            finally:
                changed.cancel()

    async def _grant(self) -> None:
        grant = self._credits.grant(self._roster.open_slots)
        try:
            await self._api.grant(grant)
        except LinkError:
            self._credits.forget(grant)
            raise

    def _is_paused_with_credits(self) -> bool:
        """Leases that were granted may be on their way, and are not wanted any more."""
        return bool(self._roster.paused_because) and self._credits.are_out

    def _raise_what_went_wrong(self, listening: asyncio.Task[None], others: list[asyncio.Task[None]]) -> None:
        for task in (*others, listening):
            error = None if task.cancelled() else task.exception()
            if error is None:
                continue
            if isinstance(error, RefusedError) and task is listening and error.status in _MISSING:
                self._passage.unknown(time.monotonic())
                return
            if task is listening and self._first_line.is_set() and not self._was_kept_alive:
                self._passage.broke(time.monotonic())
            raise error
