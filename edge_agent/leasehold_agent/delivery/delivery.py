"""Delivery of one attempt as its supervisor calls it: streamed while it runs, the outcome first when it has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.attempts.roster import Held, Phase, Roster
from leasehold_agent.backoff import Backoff, pauses, persist
from leasehold_agent.clock import utc_now
from leasehold_agent.delivery.courier import Courier, TelemetryApi
from leasehold_agent.delivery.letters import file_answers, write_letters
from leasehold_agent.delivery.outcomes import OutcomeDesk
from leasehold_agent.errors import LinkError, UnavailableError
from leasehold_agent.fault_points import reach
from leasehold_protocol.v1.leases import Ending, EndingKind, Outcome, OutcomeAck, OutcomeVerdict

_LAST_PART_S = 2.0
"""How long an ended attempt waits for the part of its log that is on the wire."""
_AT_ONCE = 4
"""Logs that are on the wire at the same time, so that a site's line is left for leases."""
logger = logging.getLogger(__name__)


class Delivery:
    """Delivers attempts.

    Args:
        api: where to.
        desk: takes the outcomes.
        roster: who holds what.
        log_every: how long a running task's log may wait, in seconds, as the API wishes.
        greeted: set once the API knows, by ``hello``, what is on this disk, and said what it wants of it.
        keeps: whether delivered directories stay for a look at them; removal is left to the collection then.
    """

    def __init__(
        self,
        api: TelemetryApi,
        desk: OutcomeDesk,
        roster: Roster,
        *,
        log_every: Callable[[], float],
        greeted: asyncio.Event,
        keeps: Callable[[], bool],
    ) -> None:
        self._api = api
        self._desk = desk
        self._roster = roster
        self._log_every = log_every
        self._greeted = greeted
        self._keeps = keeps
        self._line = asyncio.Semaphore(_AT_ONCE)

    async def stream(self, held: Held) -> None:
        """Send log, metrics and the task's state while the attempt runs, as far as its host made them durable."""
        courier = Courier(held.directory, self._api)
        backoff = Backoff()
        while not held.has_ended.is_set():
            await held.grew.wait()
            held.grew.clear()
            if await _set_within(held.has_ended, self._log_every()):
                return  # A short task's log travels with its outcome.
            try:
                await self._send_all(held, courier)
                backoff.after_success()
            except UnavailableError as error:
                held.grew.set()
                await _pause_unless(held.has_ended, backoff.after_failure(error.retry_after_s), error.retry_after_s)
            except OSError as error:
                held.trouble = str(error)
                held.grew.set()
                await _set_within(held.has_ended, backoff.after_failure())
            except LinkError as error:
                logger.warning("log not taken", extra={"attempt": held.attempt, "error": str(error)})
                return

    async def _send_all(self, held: Held, courier: Courier) -> None:
        while not held.has_ended.is_set() and await self._in_turn(lambda: courier.send_log(held.log_durable)):
            pass
        while not held.has_ended.is_set() and await self._in_turn(lambda: courier.send_metrics(held.metrics_durable)):
            pass
        while not held.has_ended.is_set() and await self._in_turn(lambda: courier.send_state(held.state_durable)):
            pass

    async def _in_turn(self, send: Callable[[], Awaitable[bool]]) -> bool:
        """Send one part. The line is given up after each, and waited for in order: a huge log holds up no small one."""
        async with self._line:
            return await send()

    async def stop_stream(self, held: Held, stream: asyncio.Task[None]) -> None:
        """End ``stream``: a part that is on the wire may arrive, but the outcome does not wait long for it."""
        self._roster.note_end(held)
        held.grew.set()
        await asyncio.wait([stream], timeout=_LAST_PART_S)
        stream.cancel()

    async def deliver(self, held: Held) -> None:
        """Deliver an ended attempt, however long it takes, and remove its directory."""
        if held.found is not None:
            await self._greeted.wait()
        if held.is_unwanted:
            logger.warning("attempt removed: the API has no use for it", extra={"attempt": held.attempt})
            await asyncio.to_thread(held.directory.remove)
            return
        courier = Courier(held.directory, self._api, self._line)
        if courier.delivered.outcome is None:
            await self._deliver_outcome(held, courier)
        held.outcome_is_in = True
        self._roster.move(held, Phase.DELIVERING)
        reach("agent.outcome.recorded.before-rest")
        if courier.delivered.is_refused:
            return
        while await persist(lambda: self._in_turn(courier.send_rest), through_lock=True):
            pass
        if not self._keeps():
            await asyncio.to_thread(held.directory.remove)

    async def wait_until_greeted(self) -> None:
        """Wait until the API knows what is on this disk, and said what it wants of it."""
        await self._greeted.wait()

    async def deliver_whole(self, ended: list[AttemptDirectory]) -> list[AttemptDirectory]:
        """Deliver those that fit whole into one request and remove them; return the others, as they are now."""
        letters = await asyncio.to_thread(write_letters, ended)
        if letters:
            reach("agent.outcome.packed.before-sending")
        acks = await asyncio.gather(*(self._desk.deliver(letter.outcome, sending=_no_slot) for letter in letters))
        for letter, ack in zip(letters, acks, strict=True):
            self._note(letter.outcome, ack)
        if letters:
            reach("agent.outcome.acknowledged.before-record")
        pairs = list(zip(letters, acks, strict=True))
        done = await asyncio.to_thread(file_answers, pairs, keeps=self._keeps())
        return [directory for directory in ended if directory.attempt not in done]

    async def report(self, outcome: Outcome, held: Held) -> None:
        """Deliver the outcome of an attempt that has no directory."""
        await self._desk.deliver(outcome, sending=lambda: self._roster.move(held, Phase.DELIVERING))
        self._roster.tally.outcomes[outcome.ending.kind.value] += 1

    async def _deliver_outcome(self, held: Held, courier: Courier) -> None:
        ending = (
            held.directory.ending()
            or held.unwritten_ending
            or Ending(kind=EndingKind.LOST, message="the record of its ending is damaged", ended_at=utc_now())
        )
        outcome = await persist(lambda: courier.pack(ending), through_lock=True)
        reach("agent.outcome.packed.before-sending")
        ack = await self._desk.deliver(outcome, sending=lambda: self._roster.move(held, Phase.DELIVERING))
        courier.acknowledge(ack, outcome)
        self._note(outcome, ack)

    def _note(self, outcome: Outcome, ack: OutcomeAck) -> None:
        self._roster.tally.outcomes[outcome.ending.kind.value] += 1
        facts = {"attempt": outcome.attempt, "kind": outcome.ending.kind.value, "verdict": ack.verdict.value}
        logger.info("outcome delivered", extra=facts)
        if ack.verdict is OutcomeVerdict.REFUSED:
            logger.error("attempt kept on disk: refused", extra={"attempt": outcome.attempt, "reason": ack.reason})


def _no_slot() -> None:
    """What ended before this agent began has none to give free."""


async def _pause_unless(event: asyncio.Event, seconds: float, asked_s: float | None) -> None:
    """Wait for ``event``, at most so long, and no longer than until the API is back."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(pauses.wait(seconds, asked_s=asked_s))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for ``event``, at most so long; returns whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
