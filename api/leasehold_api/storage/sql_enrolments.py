"""Enrolments inside a transaction: each lets one agent in, by a secret, by a key known beforehand, or by both."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, and_, case, insert, select, update

from leasehold_api.oauth.kept.store import NewEnrolment, StoredEnrolmentToken
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import rows_changed
from leasehold_api.storage.sql_locks import SITE_LOCK
from leasehold_api.storage.tables import enrolment_tokens, sites, teams
from leasehold_api.storage.writer import Transaction

_ENROLMENT = (
    select(enrolment_tokens, sites.c.name.label("site"), teams.c.name.label("team"), *SITE_LOCK)
    .join(sites, sites.c.id == enrolment_tokens.c.site_id)
    .join(teams, teams.c.id == enrolment_tokens.c.team_id)
)


def is_open(now: float) -> Any:
    """Return the condition that an enrolment lets somebody in."""
    return and_(
        enrolment_tokens.c.used_at.is_(None),
        enrolment_tokens.c.revoked_at.is_(None),
        enrolment_tokens.c.expires_at > now,
    )


def by_id(tx: Transaction, token_id: str) -> StoredEnrolmentToken | None:
    """Return an enrolment by its public id."""
    return _first(tx, _ENROLMENT.where(enrolment_tokens.c.id == token_id))


def for_key(tx: Transaction, jkt: str, *, now: float) -> StoredEnrolmentToken | None:
    """Return the enrolment that lets this key in without a secret; else the newest that no longer does."""
    query = (
        _ENROLMENT.where(enrolment_tokens.c.bound_jkt == jkt, enrolment_tokens.c.secret_sha256.is_(None))
        .order_by(case((is_open(now), 0), else_=1), enrolment_tokens.c.created_at.desc())
        .limit(1)
    )
    return _first(tx, query)


def add(tx: Transaction, enrolment: NewEnrolment) -> None:
    """Add an enrolment, and its row in the audit trail."""
    row = {
        "id": enrolment.id,
        "team_id": enrolment.team_id,
        "site_id": enrolment.site_id,
        "secret_sha256": enrolment.secret_sha256,
        "bound_jkt": enrolment.bound_jkt,
        "note": enrolment.note,
        "created_by": enrolment.created_by,
        "created_at": enrolment.created_at,
        "expires_at": enrolment.expires_at,
    }
    tx.run(insert(enrolment_tokens), row)
    site = tx.run(select(sites.c.name).where(sites.c.id == enrolment.site_id)).scalar_one()
    sql_audit.record(
        tx,
        at=enrolment.created_at,
        actor=enrolment.created_by,
        action="enrolment_token.issued" if enrolment.secret_sha256 else "key.preregistered",
        object=enrolment.id,
        team_id=enrolment.team_id,
        address=enrolment.address,
        detail={"site": site} | ({"key": enrolment.bound_jkt} if enrolment.bound_jkt else {}),
    )


def use(tx: Transaction, token_id: str, *, jkt: str, agent_id: str, address: str | None, now: float) -> bool:
    """Use an enrolment, if it is open; say whether that happened."""
    # One conditional UPDATE, not read-then-write: the WHERE clause is what lets only one of many enrolments win.
    statement = (
        update(enrolment_tokens)
        .where(enrolment_tokens.c.id == token_id, is_open(now))
        .values(used_at=now, used_by=agent_id, used_jkt=jkt, used_from=address)
    )
    return rows_changed(tx, statement) == 1


def _first(tx: Transaction, query: Select[Any]) -> StoredEnrolmentToken | None:
    row = tx.run(query).first()
    return None if row is None else _stored(row)


def _stored(row: Row[Any]) -> StoredEnrolmentToken:
    return StoredEnrolmentToken(
        id=row.id,
        secret_sha256=row.secret_sha256,
        bound_jkt=row.bound_jkt,
        site_id=row.site_id,
        site=row.site,
        team_id=row.team_id,
        team=row.team,
        expires_at=row.expires_at,
        used_jkt=row.used_jkt,
        used_by=row.used_by,
        revoked_at=row.revoked_at,
        site_is_locked=row.site_locked_at is not None,
    )
