"""The lease store on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text

from leasehold_api.callers import AgentCaller
from leasehold_api.clock import instant
from leasehold_api.errors import InvalidRequestError, UnavailableError
from leasehold_api.leases.claimed import Claimed, RenewedLease
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_endings
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_claim import claim
from leasehold_api.storage.sql_due import NEXT_DEADLINE, queue_due
from leasehold_api.storage.sql_queue_timeouts import fail_overdue
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.agents import AttemptInstruction, AttemptOnDisk, AttemptState, AttemptVerdict
from leasehold_protocol.v1.leases import (
    EndingKind,
    HeldLease,
    Outcome,
    OutcomeAck,
    OutcomeVerdict,
    Renewal,
    RenewalVerdict,
    RunFacts,
    attempt_id,
    parse_attempt_id,
)

log = logging.getLogger(__name__)

ANSWER_LOST_AFTER_S = 15.0
"""A lease that its agent does not know after this long was in an answer that never arrived."""
CLOCKS_DIFFER_S = 3.0
"""How far an agent's idea of our clock may be off: it learns it from ``Date``, which has whole seconds."""

_EXTEND = text("""
    UPDATE task_instances SET expires_at = :now + lease_length_s
     WHERE agent_id = :agent AND state = 'running' AND id IN :ids
    RETURNING id, epoch, run_id, task, map_index, tries, dag_version_id, lease_length_s, cancel_reason
""").bindparams(bindparam("ids", expanding=True))

_SEEN = text("UPDATE agents SET last_seen_at = :now WHERE id = :agent")

_PROGRESS = text("""
    UPDATE attempts SET progress = :progress, note = :note, label = COALESCE(:label, label)
     WHERE task_instance_id = :id AND epoch = :epoch
""")

_HELD = text("""
    SELECT t.id, t.epoch, a.leased_at FROM task_instances t
      JOIN attempts a ON a.task_instance_id = t.id AND a.epoch = t.epoch
     WHERE t.agent_id = :agent AND t.state = 'running'
""")

_AT_A_TIME = 500
_ATTEMPTS = text("""
    SELECT t.id, t.epoch, t.state, a.epoch AS attempt_epoch
      FROM task_instances t JOIN attempts a ON a.task_instance_id = t.id
     WHERE t.id IN :ids AND a.agent_id = :agent
""").bindparams(bindparam("ids", expanding=True))

_RUN_FACTS = text('SELECT id, params, logical_date, "trigger" FROM runs WHERE id = :run')

_CANCELLATIONS = text("""
    SELECT id, epoch, cancel_reason FROM task_instances
     WHERE agent_id = :agent AND state = 'running' AND cancel_reason IS NOT NULL
""")


class SqlLeases:
    """Implements ``leasehold_api.leases.claimed.LeaseStore``."""

    def __init__(self, database: Database, plans: Plans, *, exports_metrics: bool = False) -> None:
        self._database = database
        self._plans = plans
        self._exports_metrics = exports_metrics

    async def claim(self, holder: AgentCaller, *, most: int, now: float) -> list[Claimed]:
        """Lease up to ``most`` task instances; see the port."""
        return await self._database.write(lambda tx: claim(tx, self._plans, holder, most=most, now=now))

    async def renew(
        self,
        holder: AgentCaller,
        held: list[HeldLease],
        *,
        now: float,
        asked_at: float | None = None,
        names_all: bool = True,
    ) -> list[RenewedLease]:
        """Extend what the holder has; see the port."""
        given_before = min(now, asked_at or now) - ANSWER_LOST_AFTER_S if names_all else None
        return await self._database.write(lambda tx: self._renew(tx, holder, held, now, given_before))

    async def complete(self, holder: AgentCaller, outcomes: list[Outcome], *, now: float) -> list[OutcomeAck]:
        """Record endings; see the port."""
        if not outcomes:
            return []
        try:
            return await self._database.write(self._recording_all(holder, outcomes, now))
        except Exception:  # noqa: BLE001 - whose fault it was shows when each is recorded by itself
            if len(outcomes) > 1:
                log.warning("outcomes are recorded one by one", extra={"outcomes": len(outcomes)})
        # One operation each: an outcome that fails takes no other with it.
        writes = [self._database.submit(self._recording(holder, outcome, now)) for outcome in outcomes]
        await asyncio.wait(writes)
        return [_answer(outcome, write) for outcome, write in zip(outcomes, writes, strict=True)]

    async def resume(
        self,
        holder: AgentCaller,
        on_disk: list[AttemptOnDisk],
        *,
        now: float,
        asked_at: float | None = None,
        names_all: bool = True,
    ) -> list[AttemptInstruction]:
        """Say what a returning agent shall do; see the port."""
        said_before = now - ANSWER_LOST_AFTER_S if asked_at is None else min(now, asked_at) - CLOCKS_DIFFER_S
        given_before = said_before if names_all else None
        return await self._database.write(lambda tx: self._resume(tx, holder, on_disk, now, given_before))

    async def cancellations(self, agent_id: str) -> list[tuple[str, str]]:
        """Return what shall be cancelled; see the port."""

        def query(connection: Connection) -> list[tuple[str, str]]:
            rows = connection.execute(_CANCELLATIONS, {"agent": agent_id})
            return [(attempt_id(row.id, row.epoch), row.cancel_reason) for row in rows]

        return await self._database.read(query)

    async def expire(self, *, now: float) -> int:
        """End overdue leases; see the port."""
        return await self._database.write(lambda tx: sql_endings.expire(tx, self._plans, now=now))

    async def queue_due(self, *, now: float) -> int:
        """Queue what is due, fail what was queued too long; see the port."""
        return await self._database.write(lambda tx: queue_due(tx, now) + fail_overdue(tx, self._plans, now=now))

    async def next_deadline(self) -> float | None:
        """Return the next deadline; see the port."""

        def query(connection: Connection) -> float | None:
            deadline: float | None = connection.execute(NEXT_DEADLINE).scalar_one()
            return deadline

        return await self._database.read(query)

    def _recording_all(
        self, holder: AgentCaller, outcomes: list[Outcome], now: float
    ) -> Callable[[Transaction], list[OutcomeAck]]:
        return partial(
            sql_endings.record_all,
            plans=self._plans,
            holder=holder,
            outcomes=outcomes,
            now=now,
            exports_metrics=self._exports_metrics,
        )

    def _recording(self, holder: AgentCaller, outcome: Outcome, now: float) -> Callable[[Transaction], OutcomeAck]:
        return partial(
            sql_endings.record,
            plans=self._plans,
            holder=holder,
            outcome=outcome,
            now=now,
            exports_metrics=self._exports_metrics,
        )

    def _renew(
        self, tx: Transaction, holder: AgentCaller, held: list[HeldLease], now: float, given_before: float | None
    ) -> list[RenewedLease]:
        tx.run(_SEEN, {"agent": holder.agent_id, "now": now})
        wanted = [(lease, *_parse(lease.attempt)) for lease in held]
        ids = sorted({instance for _, instance, _ in wanted})
        extended = (
            {row.id: row for row in tx.run(_EXTEND, {"agent": holder.agent_id, "ids": ids, "now": now})} if ids else {}
        )
        renewed: list[RenewedLease] = []
        for lease, instance, epoch in wanted:
            row = extended.get(instance)
            if row is None or row.epoch != epoch:
                renewed.append(RenewedLease(renewal=Renewal(attempt=lease.attempt, verdict=RenewalVerdict.LOST)))
            else:
                renewed.append(self._renewed(tx, holder, lease, row))
        known = {(instance, epoch) for _, instance, epoch in wanted}
        self._give_up_unknown(tx, holder, known, given_before=given_before, now=now)
        return renewed

    def _renewed(self, tx: Transaction, holder: AgentCaller, lease: HeldLease, row: Row[Any]) -> RenewedLease:
        said = {"progress": lease.progress, "note": lease.note, "label": lease.label}
        if any(value is not None for value in said.values()):
            tx.run(_PROGRESS, {"id": row.id, "epoch": row.epoch, **said})
            tx.signal(Signal(Topic.RUN, row.run_id))
        renewal = Renewal(
            attempt=lease.attempt,
            verdict=RenewalVerdict.CANCELLED if row.cancel_reason else RenewalVerdict.RENEWED,
            length_s=row.lease_length_s,
            reason=row.cancel_reason,
        )
        return RenewedLease(renewal=renewal, claimed=self._again(tx, holder, row) if lease.needs_token else None)

    def _again(self, tx: Transaction, holder: AgentCaller, row: Row[Any]) -> Claimed:
        """Describe a lease that the agent already has, for a new task token."""
        run = tx.run(_RUN_FACTS, {"run": row.run_id}).one()
        plan = self._plans.get(tx.connection, row.dag_version_id)
        facts = RunFacts(
            run=run.id,
            dag=plan.dag,
            dag_version=plan.version,
            team=holder.team,
            logical_date=instant(run.logical_date),
            trigger=run.trigger,
        )
        return Claimed(
            task_instance=row.id,
            epoch=row.epoch,
            map_index=row.map_index,
            try_number=row.tries + 1,
            length_s=row.lease_length_s,
            run=facts,
            entry=plan.entries[row.task],
            bundle=plan.manifest.bundle,
        )

    def _give_up_unknown(
        self,
        tx: Transaction,
        holder: AgentCaller,
        known: set[tuple[str, int]],
        *,
        given_before: float | None,
        now: float,
    ) -> None:
        if given_before is None:
            return
        for row in tx.run(_HELD, {"agent": holder.agent_id}).all():
            if (row.id, row.epoch) not in known and row.leased_at < given_before:
                reason = "its agent does not have it (any more)"
                sql_endings.assume(tx, self._plans, row.id, row.epoch, EndingKind.LOST, reason, now=now)

    def _resume(
        self,
        tx: Transaction,
        holder: AgentCaller,
        on_disk: list[AttemptOnDisk],
        now: float,
        given_before: float | None,
    ) -> list[AttemptInstruction]:
        tx.run(_SEEN, {"agent": holder.agent_id, "now": now})
        instructions = [
            AttemptInstruction(attempt=found.attempt, verdict=verdict)
            for start in range(0, len(on_disk), _AT_A_TIME)
            for found, verdict in _instruct(tx, holder, on_disk[start : start + _AT_A_TIME])
        ]
        known = {_parse(found.attempt) for found in on_disk}
        self._give_up_unknown(tx, holder, known, given_before=given_before, now=now)
        return instructions


def _answer(outcome: Outcome, write: asyncio.Future[OutcomeAck]) -> OutcomeAck:
    error = write.exception()
    match error:
        case None:
            return write.result()
        case UnavailableError():
            raise error
        case InvalidRequestError():
            reason = error.detail
        case _:
            # A defect of ours. The agent keeps what it has for a person, and goes on with its other attempts.
            log.error("an outcome can't be recorded", extra={"attempt": outcome.attempt}, exc_info=error)
            reason = "this is a bug of the API; its log has the details"
    return OutcomeAck(attempt=outcome.attempt, verdict=OutcomeVerdict.REFUSED, reason=reason)


def _instruct(
    tx: Transaction, holder: AgentCaller, on_disk: Sequence[AttemptOnDisk]
) -> Iterator[tuple[AttemptOnDisk, AttemptVerdict]]:
    wanted = [(found, *_parse(found.attempt)) for found in on_disk]
    parameters = {"ids": sorted({instance for _, instance, _ in wanted}), "agent": holder.agent_id}
    rows = {(row.id, row.attempt_epoch): row for row in tx.run(_ATTEMPTS, parameters)} if wanted else {}
    for found, instance, epoch in wanted:
        yield found, _verdict(found, epoch, rows.get((instance, epoch)))


def _verdict(found: AttemptOnDisk, epoch: int, row: Row[Any] | None) -> AttemptVerdict:
    if row is None:
        return AttemptVerdict.DISCARD
    if found.state is AttemptState.RUNNING and row.state == "running" and row.epoch == epoch:
        return AttemptVerdict.KEEP
    # Ended in the API's books, or nearly: its log and metrics are still wanted, and its host stops by itself.
    return AttemptVerdict.DELIVER


def _parse(attempt: str) -> tuple[str, int]:
    try:
        return parse_attempt_id(attempt)
    except ValueError:
        return attempt, -1  # exists nowhere, and is answered so
