"""Taking in what attempts deliver: logs first, then whatever depends on them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping

from leasehold_api.callers import AgentCaller
from leasehold_api.errors import ApiError, ConflictError, InvalidRequestError
from leasehold_api.fault_points import reach
from leasehold_api.leases.claimed import LeaseStore
from leasehold_api.objects.blobs import BlobsOf
from leasehold_api.objects.logs import LogStore
from leasehold_api.telemetry.attempts import AttemptStore
from leasehold_protocol.v1.context import XCOM_INLINE_BYTES, XComWrite
from leasehold_protocol.v1.leases import Outcome, OutcomeAck, OutcomeVerdict
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.telemetry import LOG_CHUNK_BYTES, LogAnswer


class Delivery:
    """Takes in outcomes, logs and XComs. What it acknowledges is durable."""

    def __init__(
        self,
        *,
        leases: LeaseStore,
        attempts: AttemptStore,
        logs: LogStore,
        blobs_of: BlobsOf,
        log_grew: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._leases = leases
        self._attempts = attempts
        self._logs = logs
        self._blobs_of = blobs_of
        self._log_grew = log_grew
        self._clock = clock

    async def outcomes(self, holder: AgentCaller, outcomes: list[Outcome]) -> list[OutcomeAck]:
        """Record outcomes and store the log tails they carry; each is answered for itself."""
        acknowledged = await self._leases.complete(holder, outcomes, now=self._clock())
        reach("api.outcome.committed.before-log")
        # Together, so that the file system makes many durable at once.
        pairs = list(zip(outcomes, acknowledged, strict=True))
        stored = await asyncio.gather(*(self._with_log(outcome, ack) for outcome, ack in pairs))
        await self._note({ack.attempt: stands.offset for ack, stands in stored if stands and stands.complete})
        return [ack for ack, _ in stored]

    async def log(
        self, agent_id: str, attempt: str, *, offset: int, data: bytes, length: int | None, sha256: str | None
    ) -> LogAnswer:
        """Append to a log; with the last chunk, ``length`` and ``sha256`` of the whole let us check it.

        Raises:
            NotFoundError: if this agent was never given this attempt.
            ApiError: ``offset_mismatch`` or ``body_too_large``.
        """
        if len(data) > LOG_CHUNK_BYTES:
            raise ApiError(f"at most {LOG_CHUNK_BYTES} bytes of a log at a time", code=ProblemCode.BODY_TOO_LARGE)
        await self._attempts.require(agent_id, attempt)
        stands = await self._append(attempt, offset, data, length=length, sha256=sha256)
        if stands.complete:
            await self._note({attempt: stands.offset})
        return stands

    async def xcom(self, agent: AgentCaller, attempt: str, key: str, body: XComWrite) -> None:
        """Store an XCom: its value, or the upload that holds it.

        Raises:
            ApiError: ``body_too_large`` for a value that must go through an upload.
            ConflictError: if the upload is not here (yet).
            LeaseLostError: if the attempt may not write any more.
        """
        files = {each.sha256: each.size for each in body.files}
        await self._require_here(agent.team_id, files)
        if body.upload is not None:
            if body.size is None:
                raise InvalidRequestError("size: name the upload's size with it")
            if not await self._blobs_of(agent.team_id).has(body.upload):
                raise ConflictError("the upload is not here yet: PUT its bytes first")
            await self._attempts.put_xcom(
                agent.agent_id,
                attempt,
                key,
                value=None,
                size=body.size,
                upload=body.upload,
                files=files,
                length=body.length,
            )
            reach("api.xcom.committed.before-answer")
            return
        text = json.dumps(body.value, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
        if size > XCOM_INLINE_BYTES:
            raise ApiError(
                f"a value over {XCOM_INLINE_BYTES} bytes goes through an upload", code=ProblemCode.BODY_TOO_LARGE
            )
        await self._attempts.put_xcom(agent.agent_id, attempt, key, value=text, size=size, upload=None, files=files)

    async def _require_here(self, team_id: str, files: Mapping[str, int]) -> None:
        blobs = self._blobs_of(team_id)
        for sha256, size in files.items():
            if not await blobs.has(sha256):
                raise ConflictError(f"the file {sha256} that the value names is not here yet: upload its bytes first")
            if (stored := await blobs.size(sha256)) != size:
                raise InvalidRequestError(f"files: {sha256} has {stored} bytes, not {size}")

    async def _note(self, whole: dict[str, int]) -> None:
        if whole:
            reach("api.log.whole.before-note")
            for late in await self._attempts.note_logs(whole):
                await self._logs.clear(late)

    async def _with_log(self, outcome: Outcome, ack: OutcomeAck) -> tuple[OutcomeAck, LogAnswer | None]:
        if outcome.log is None or ack.verdict is OutcomeVerdict.REFUSED:
            return ack, None
        tail = outcome.log
        try:
            stands = await self._append(outcome.attempt, tail.offset, tail.data, length=tail.size, sha256=tail.sha256)
        except ApiError as error:
            # A part before the tail is missing: the outcome stands, and the agent sends the rest from here.
            return ack.model_copy(update={"log_offset": error.offset or 0}), None
        return ack.model_copy(update={"log_offset": stands.offset}), stands

    async def _append(
        self, attempt: str, offset: int, data: bytes, *, length: int | None, sha256: str | None
    ) -> LogAnswer:
        size = await self._logs.append(attempt, offset, data) if data else await self._logs.size(attempt)
        self._log_grew(attempt)
        if length is None or size < length:
            return LogAnswer(offset=size)
        if sha256 is not None and not await self._fits(attempt, data, offset=offset, size=size, sha256=sha256):
            await self._logs.clear(attempt)
            return LogAnswer(offset=0)
        return LogAnswer(offset=size, complete=True)

    async def _fits(self, attempt: str, data: bytes, *, offset: int, size: int, sha256: str) -> bool:
        if offset == 0 and len(data) == size:  # a short log that came whole: no need to read it back
            return hashlib.sha256(data).hexdigest() == sha256
        return await self._logs.sha256(attempt) == sha256
