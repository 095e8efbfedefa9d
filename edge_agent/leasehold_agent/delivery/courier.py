"""Brings one attempt's log, metrics and XComs to the API, in order, from wherever the API stands."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from leasehold_agent.attempts.directory import AttemptDirectory
from leasehold_agent.delivery.delivered import Delivered, read_delivered, write_delivered
from leasehold_agent.delivery.parcel import pack, split_xcoms, state_weight, undeliverable
from leasehold_agent.delivery.produced import Produced, StoredXCom
from leasehold_agent.delivery.uploads import UploadApi, Uploads
from leasehold_agent.errors import LeaseLostError, RefusedError, Trouble, UnavailableError
from leasehold_agent.fault_points import reach
from leasehold_protocol.v1.context import XCOM_INLINE_BYTES, XComWrite
from leasehold_protocol.v1.leases import Ending, Outcome, OutcomeAck, OutcomeVerdict
from leasehold_protocol.v1.telemetry import LOG_CHUNK_BYTES, LogAnswer, MetricAnswer, MetricPoint
from leasehold_protocol.v1.waiting import StateChange

METRICS_PER_REQUEST = 1000
STATE_PER_REQUEST = 500
STATE_BYTES = 256 * 1024
_OFFSET_MISMATCH = "offset_mismatch"
_RESENDS_AT_ONCE = 3
"""A log that still arrives damaged waits then, as for an API that is away: it is kept until it arrives whole."""
logger = logging.getLogger(__name__)


class TelemetryApi(UploadApi, Protocol):
    """What is needed of ``link.api.Api``."""

    async def log(
        self, attempt: str, *, offset: int, data: bytes, whole: tuple[int, str] | None = None
    ) -> LogAnswer: ...
    async def metrics(self, attempt: str, points: list[MetricPoint]) -> MetricAnswer: ...
    async def xcom(self, attempt: str, key: str, write: XComWrite) -> None: ...
    async def state(self, attempt: str, changes: list[StateChange]) -> None: ...


class Courier:
    """Delivers one attempt directory. Each step sends once, then records what the API acknowledged.

    Any step may fail or be cut off anywhere: the next courier begins where ``delivered.json`` says, which is never
    further than the API. All steps raise ``LinkError``.
    """

    def __init__(self, directory: AttemptDirectory, api: TelemetryApi, line: asyncio.Semaphore | None = None) -> None:
        self._directory = directory
        self._api = api
        self._uploads = Uploads(api, line or asyncio.Semaphore())
        self.produced = Produced(directory.path)
        self.delivered = read_delivered(directory.path)
        self._resends = 0
        self._log_is_complete = False
        self._is_unrecorded = False

    @property
    def attempt(self) -> str:
        """The attempt's id."""
        return self._directory.attempt

    async def send_log(self, upto: int) -> bool:
        """Send the next part of the log, up to the byte ``upto``; returns whether there was one."""
        start = self.delivered.log_offset
        if start >= upto:
            return False
        data = self.produced.log_part(start, min(LOG_CHUNK_BYTES, upto - start))
        if data:
            await self._send_log(start, data, whole=None)
        return bool(data)

    async def send_metrics(self, upto: int | None = None) -> bool:
        """Send the next batch of metrics, up to the sequence number ``upto``; returns whether there was one."""
        points = self.produced.metrics_after(self.delivered.metric_seq, METRICS_PER_REQUEST)
        points = [point for point in points if upto is None or point.seq <= upto]
        if not points:
            return False
        answer = await self._api.metrics(self.attempt, points)
        if answer.seq <= self.delivered.metric_seq:
            raise UnavailableError(Trouble.SERVER_ERROR, "it acknowledged none of the metrics")
        reach("agent.metrics.acknowledged.before-record")
        self._record(metric_seq=answer.seq)
        return True

    async def send_state(self, upto: int | None = None, *, leave: int = 0) -> bool:
        """Send the next writes to the task's state, up to the number ``upto``; returns whether there were any.

        What weighs no more than ``leave`` bytes in all is left for the outcome.
        """
        changes = self.produced.state_after(self.delivered.state_seq, upto)
        if sum(state_weight(change) for _, change in changes) <= leave:
            return False
        batch, weight = 0, 0
        while batch < min(len(changes), STATE_PER_REQUEST) and (batch == 0 or weight < STATE_BYTES):
            weight += state_weight(changes[batch][1])
            batch += 1
        await self._api.state(self.attempt, [change for _, change in changes[:batch]])
        self._record(state_seq=changes[batch - 1][0])
        return True

    async def pack(self, ending: Ending) -> Outcome:
        """Return the outcome, after the XComs and the state that are too large for it were brought to the API."""
        try:
            while await self.send_state(leave=STATE_BYTES):
                pass
        except RefusedError as error:
            ending, is_state_taken = undeliverable(ending, "the task's state", error.detail or error.code), False
        except LeaseLostError:
            is_state_taken = False  # The outcome is stale, and the answer to it will say so.
        else:
            is_state_taken = True
        split = split_xcoms(self.produced.xcoms().newest)
        for xcom in split.first:
            try:
                await self._send_xcom(xcom)
            except RefusedError as error:
                ending = undeliverable(ending, f"XCom {xcom.key!r}", error.detail or error.code)
            except LeaseLostError:
                break  # The outcome is stale, and the answer to it will say so.
        outcome = await asyncio.to_thread(pack, self.attempt, ending, self.produced, self.delivered, split.small)
        return outcome if is_state_taken else outcome.model_copy(update={"state": []})

    def acknowledge(self, ack: OutcomeAck, outcome: Outcome) -> None:
        """Record the API's answer to the outcome."""
        log = outcome.log
        log_offset = self.delivered.log_offset if ack.log_offset is None else ack.log_offset
        self._log_is_complete = log is not None and log_offset >= log.size
        reach("agent.outcome.acknowledged.before-record")
        self._record(
            outcome=ack.verdict,
            log_offset=log_offset,
            metric_seq=self.delivered.metric_seq if ack.metric_seq is None else ack.metric_seq,
            xcom_seq=self.produced.xcoms().last_seq,
        )

    async def send_rest(self) -> bool:
        """Send the next part of what the outcome did not carry; returns whether there was any.

        An API that will not take the rest (a newer epoch exists, the run is gone) gets no more of it.
        """
        try:
            return await self._send_last_log() or await self.send_metrics()
        except (LeaseLostError, RefusedError) as error:
            logger.warning("rest of log refused", extra={"attempt": self.attempt, "error": str(error)})
            self._record(rest_refused=True)
            return False

    async def _send_last_log(self) -> bool:
        size, start = self.produced.log_size(), self.delivered.log_offset
        if self._log_is_complete:
            return False  # Only the checksum's answer says so: the API may have all bytes and not know that it has.
        data = self.produced.log_part(start, LOG_CHUNK_BYTES)
        is_last = start + len(data) >= size
        whole = (size, await self._checksum()) if is_last else None
        answer = await self._send_log(start, data, whole=whole)
        if is_last and answer is not None:
            self._judge(answer, size)
        return True

    def _judge(self, answer: LogAnswer, size: int) -> None:
        """The whole log was sent: either it is complete now, or the API wants it again from where it says."""
        if answer.complete:
            self._log_is_complete = True
        elif answer.offset < size:
            self._resends += 1
            if self._resends % _RESENDS_AT_ONCE == 0:
                raise UnavailableError(Trouble.SERVER_ERROR, "the log does not arrive as it was sent")

    async def _checksum(self) -> str:
        return await asyncio.to_thread(self.produced.log_sha256, trust_ending=self._resends == 0)

    async def _send_log(self, start: int, data: bytes, whole: tuple[int, str] | None) -> LogAnswer | None:
        try:
            answer = await self._api.log(self.attempt, offset=start, data=data, whole=whole)
        except RefusedError as error:
            if error.code != _OFFSET_MISMATCH or error.offset is None:
                raise
            if error.offset == start:
                raise  # It would be sent for ever.
            self._record(log_offset=min(error.offset, self.produced.log_size()))
            return None
        reach("agent.log.acknowledged.before-record")
        self._record(log_offset=min(answer.offset, self.produced.log_size()))
        reach("agent.log.recorded")
        return answer

    async def _send_xcom(self, xcom: StoredXCom) -> None:
        for file in xcom.files:
            path = self.produced.file(file.sha256)
            if path is not None:  # what the task passed on is where it read it
                await self._uploads.bring(self.attempt, path, sha256=file.sha256, size=file.size)
        if xcom.size <= XCOM_INLINE_BYTES:
            write = XComWrite(value=xcom.value(), files=xcom.files) if xcom.files else XComWrite(value=xcom.value())
            await self._api.xcom(self.attempt, xcom.key, write)
            return
        await self._uploads.bring(self.attempt, xcom.path, sha256=xcom.sha256, size=xcom.size)
        reach("agent.upload.acknowledged.before-xcom")
        write = XComWrite(upload=xcom.sha256, size=xcom.size, length=xcom.length, files=xcom.files)
        await self._api.xcom(self.attempt, xcom.key, write)

    def _record(
        self,
        *,
        log_offset: int | None = None,
        metric_seq: int | None = None,
        xcom_seq: int | None = None,
        state_seq: int | None = None,
        outcome: OutcomeVerdict | None = None,
        rest_refused: bool = False,
    ) -> None:
        known = self.delivered
        self.delivered = Delivered(
            log_offset=known.log_offset if log_offset is None else log_offset,
            metric_seq=known.metric_seq if metric_seq is None else metric_seq,
            xcom_seq=known.xcom_seq if xcom_seq is None else xcom_seq,
            state_seq=known.state_seq if state_seq is None else state_seq,
            outcome=known.outcome if outcome is None else outcome,
            rest_refused=known.rest_refused or rest_refused,
        )
        try:
            write_delivered(self._directory.path, self.delivered)
        except OSError as error:
            # What is recorded is less than the truth, which is safe: after a restart some of it is sent again.
            if not self._is_unrecorded:
                logger.warning("progress not recorded", extra={"attempt": self.attempt, "error": str(error)})
            self._is_unrecorded = True
        else:
            self._is_unrecorded = False


def is_covered(directory: AttemptDirectory) -> bool:
    """Everything in a directory is acknowledged: it may go."""
    delivered, produced = read_delivered(directory.path), Produced(directory.path)
    if delivered.outcome is None or delivered.is_refused:
        return False
    return delivered.rest_refused or (
        delivered.log_offset >= produced.log_size() and not produced.metrics_after(delivered.metric_seq, 1)
    )
