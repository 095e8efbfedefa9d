"""Endings on their way to the API: whatever waits goes in one request, and the answer may bring the next leases."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.backoff import persist
from leasehold_agent.delivery.parcel import weight
from leasehold_agent.errors import LeaseLostError, RefusedError, Trouble, UnavailableError
from leasehold_protocol.v1.leases import Outcome, OutcomeAck, OutcomeAnswer, OutcomeBatch, OutcomeVerdict

BATCH_OUTCOMES = 256
BATCH_BYTES = 4 * 1024 * 1024
logger = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    outcome: Outcome
    sending: Callable[[], None]
    ack: asyncio.Future[OutcomeAck] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class OutcomeDesk:
    """Takes outcomes from attempts and delivers them in batches.

    Args:
        send: sends one batch; raises ``LinkError``.
        answered: gets every answer with the time (``CLOCK_BOOTTIME``) at which its request was sent.
        roster: whose free slots the answer may fill.
    """

    def __init__(
        self,
        send: Callable[[OutcomeBatch], Awaitable[OutcomeAnswer]],
        answered: Callable[[OutcomeAnswer, float], None],
        roster: Roster,
        clock: Callable[[], float],
    ) -> None:
        self._send = send
        self._answered = answered
        self._roster = roster
        self._clock = clock
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._held_over: _Waiting | None = None

    async def deliver(self, outcome: Outcome, *, sending: Callable[[], None]) -> OutcomeAck:
        """Return the API's answer to one outcome, however long that takes.

        ``sending`` is called before each try. There the attempt gives its slot free, so that this very request, and
        no other, asks for the lease that may fill it.
        """
        waiting = _Waiting(outcome=outcome, sending=sending)
        self._queue.put_nowait(waiting)
        return await waiting.ack

    async def run(self) -> None:
        """Deliver, for ever."""
        while True:
            batch = await self._next_batch()
            await self._deliver(batch)

    async def _next_batch(self) -> list[_Waiting]:
        first = self._held_over or await self._queue.get()
        self._held_over = None
        batch, size = [first], weight(first.outcome)
        while len(batch) < BATCH_OUTCOMES and not self._queue.empty():
            following = self._queue.get_nowait()
            size += weight(following.outcome)
            if size > BATCH_BYTES:
                self._held_over = following
                break
            batch.append(following)
        return batch

    async def _deliver(self, batch: list[_Waiting]) -> None:
        try:
            await persist(lambda: self._send_once(batch), through_lock=True)
        except (RefusedError, LeaseLostError) as error:
            if len(batch) == 1:
                _refuse(batch[0], error)
                return
            # One outcome that can't be taken must not hold up its neighbours.
            for one in batch:
                await self._deliver([one])

    async def _send_once(self, batch: list[_Waiting]) -> None:
        for waiting in batch:
            waiting.sending()
        slots = self._roster.reserve()
        try:
            asked_at = self._clock()
            message = OutcomeBatch(outcomes=[waiting.outcome for waiting in batch], free_slots=slots)
            answer = await self._send(message)
            self._answered(answer, asked_at)
        finally:
            self._roster.release(slots)
        _hand_out(batch, answer)


def _hand_out(batch: list[_Waiting], answer: OutcomeAnswer) -> None:
    acks = {ack.attempt: ack for ack in answer.outcomes}
    if any(waiting.outcome.attempt not in acks for waiting in batch):
        raise UnavailableError(Trouble.NOT_THE_API, "the answer lacks an acknowledgement")
    for waiting in batch:
        if not waiting.ack.done():
            waiting.ack.set_result(acks[waiting.outcome.attempt])


def _refuse(waiting: _Waiting, error: Exception) -> None:
    attempt = waiting.outcome.attempt
    logger.error("outcome refused", extra={"attempt": attempt, "error": str(error)})
    if not waiting.ack.done():
        waiting.ack.set_result(OutcomeAck(attempt=attempt, verdict=OutcomeVerdict.REFUSED, reason=str(error)))
