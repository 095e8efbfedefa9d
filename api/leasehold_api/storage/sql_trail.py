"""The audit trail's store on SQLite and PostgreSQL: refusals, the chain, and reading."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, bindparam, select, text, update

from leasehold_api.audit.chain import GENESIS, sealed
from leasehold_api.audit.trail import Refusal, Wanted
from leasehold_api.clock import instant
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.tables import agents, api_tokens, audit, enrolment_tokens, service_clients
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.audit import AuditRow
from leasehold_protocol.v1.message import Json

MOST_PER_STEP = 500
"""Rows sealed in one transaction: nobody's write shall wait long behind them."""

ONE_SEALER = 0x1EA5E0A0D17
"""The advisory lock of the one that seals, on PostgreSQL."""
# Not waited for: whoever has it seals what we would have.
_TRY = text("SELECT pg_try_advisory_xact_lock(:key)")

_UNSEALED = select(audit).where(audit.c.seq.is_(None)).order_by(audit.c.id).limit(MOST_PER_STEP)
_HEAD = select(audit.c.seq, audit.c.hash).where(audit.c.seq.is_not(None)).order_by(audit.c.seq.desc()).limit(1)
_SEAL = (
    update(audit)
    .where(audit.c.id == bindparam("row_id"), audit.c.seq.is_(None))
    .values(seq=bindparam("new_seq"), previous_hash=bindparam("new_previous"), hash=bindparam("new_hash"))
)
_OWNERS = {"lht": api_tokens, "enr": enrolment_tokens, "agt": agents, "svc": service_clients}


class SqlTrail:
    """Implements ``leasehold_api.audit.trail.Trail``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def refused(self, refusal: Refusal) -> None:
        """Add a refusal; see the port."""

        def operation(tx: Transaction) -> None:
            sql_audit.record(
                tx,
                at=refusal.at,
                actor=refusal.actor or "unknown",
                action=refusal.action,
                object=refusal.object,
                result="refused",
                team_id=refusal.team_id or _team_of(tx, refusal.object),
                address=refusal.address,
                detail=refusal.detail,
            )

        await self._database.write(operation)

    async def seal(self) -> bool:
        """Put rows that are not in the chain at its end; see the port."""
        return await self._database.write(_seal)

    async def rows(self, wanted: Wanted, *, after: int, limit: int) -> list[AuditRow]:
        """Return sealed rows; see the port."""
        query = _filtered(wanted).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
        found = await self._database.read(lambda connection: connection.execute(query).all())
        return [_row(row) for row in found]

    async def head(self) -> int:
        """Return the number of the newest sealed row."""
        return await self._database.read(lambda connection: connection.execute(_HEAD).scalar() or 0)


def chain_of(engine: Engine) -> Iterator[AuditRow]:
    """Return every sealed row in the order of the chain, on one snapshot; for a walk along it."""
    with engine.connect().execution_options(read_only=True) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield from _all(connection)


def _all(connection: Connection) -> Iterator[AuditRow]:
    after = 0
    while True:
        query = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(MOST_PER_STEP)
        found = connection.execute(query).all()
        for row in found:
            yield _row(row)
        if not found:
            return
        after = found[-1].seq


def _seal(tx: Transaction) -> bool:
    # On SQLite the write lock, which this transaction has from its beginning, lets only one in.
    if tx.dialect == "postgresql" and not tx.run(_TRY, {"key": ONE_SEALER}).scalar_one():
        return True
    # After the lock: what the sealer before us committed is seen.
    head = tx.run(_HEAD).first()
    seq, previous = (head.seq, head.hash) if head else (0, GENESIS)
    changes: list[dict[str, Any]] = []
    for row in tx.run(_UNSEALED).all():
        seq += 1
        made = sealed(_row(row, seq=seq, previous_hash=previous))
        changes.append({"row_id": row.id, "new_seq": seq, "new_previous": previous, "new_hash": made.hash})
        previous = made.hash
    if changes:
        tx.run(_SEAL, changes)
    return len(changes) == MOST_PER_STEP


def _team_of(tx: Transaction, identifier: str) -> str | None:
    table = _OWNERS.get(identifier.partition("_")[0])
    return None if table is None else tx.run(select(table.c.team_id).where(table.c.id == identifier)).scalar()


def _filtered(wanted: Wanted) -> Select[Any]:
    query = select(audit)
    if wanted.team_id is not None:
        query = query.where(audit.c.team_id == wanted.team_id)
    if wanted.since is not None:
        query = query.where(audit.c.at >= wanted.since)
    if wanted.action is not None:
        query = query.where(audit.c.action == wanted.action)
    if wanted.actor is not None:
        query = query.where(audit.c.actor == wanted.actor)
    return query


def _row(row: Row[Any], *, seq: int | None = None, previous_hash: str | None = None) -> AuditRow:
    # Not validated: a row that somebody tampered with must come through, for the walk to name it.
    return AuditRow.model_construct(
        seq=seq or row.seq,
        id=str(row.id),
        at=_instant(row.at),
        team_id=row.team_id,
        actor=str(row.actor),
        action=str(row.action),
        object=str(row.object),
        result=str(row.result),
        address=row.address,
        detail=_json(row.detail),
        previous_hash=previous_hash or str(row.previous_hash),
        hash=str(row.hash),
    )


def _instant(seconds: object) -> Any:
    try:
        return instant(float(str(seconds)))
    except (ValueError, OverflowError, OSError):
        return instant(0)


def _json(written: str | None) -> Json:
    try:
        return None if written is None else json.loads(written)
    except ValueError:
        return str(written)
