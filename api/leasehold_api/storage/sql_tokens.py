"""The stores of enrolment tokens and API tokens on SQLite and PostgreSQL. Only hashes are kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, insert, or_, select, update

from leasehold_api.acting import By, Slice, Team
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.oauth.kept.store import NewEnrolment
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_api.storage import sql_audit, sql_enrolments
from leasehold_api.storage.conditional import rows_changed
from leasehold_api.storage.database import Database
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.tables import agents, api_tokens, enrolment_tokens, sites
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import (
    ApiToken,
    ApiTokenList,
    ApiTokenRequest,
    EnrolmentToken,
    EnrolmentTokenList,
    EnrolmentTokenRequest,
    KeyRegistrationRequest,
    Role,
)


class SqlEnrolmentTokens:
    """Implements ``leasehold_api.fleet.registry.EnrolmentTokenStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, team: Team, part: Slice) -> EnrolmentTokenList:
        """Return the team's tokens, without secrets."""
        query = (
            _enrolment_tokens(team)
            .where(enrolment_tokens.c.id > (part.after or ""))
            .order_by(enrolment_tokens.c.id)
            .limit(part.limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        items = [_enrolment_token(row, team) for row in rows]
        return EnrolmentTokenList(items=items, next=next_of(part, [item.id for item in items]))

    async def issue(
        self, team: Team, site: str, request: EnrolmentTokenRequest, *, token: OpaqueToken, by: By
    ) -> EnrolmentToken:
        """Keep the token's hash; see the port."""

        def operation(tx: Transaction) -> EnrolmentToken:
            site_id = _site_id(tx, team, site)
            enrolment = NewEnrolment(
                id=token.id,
                secret_sha256=token.sha256,
                bound_jkt=None,
                site_id=site_id,
                team_id=team.id,
                created_by=by.actor,
                created_at=by.at,
                expires_at=by.at + request.expires_in_s,
                note=request.note,
                address=by.address,
            )
            return _added(tx, enrolment, team)

        return await self._database.write(operation)

    async def preregister(
        self, team: Team, site: str, request: KeyRegistrationRequest, *, token_id: str, by: By
    ) -> EnrolmentToken:
        """Let a key in without a secret; see the port."""

        def operation(tx: Transaction) -> EnrolmentToken:
            site_id = _site_id(tx, team, site)
            _check_key_is_new(tx, team, request.thumbprint, now=by.at)
            enrolment = NewEnrolment(
                id=token_id,
                secret_sha256=None,
                bound_jkt=request.thumbprint,
                site_id=site_id,
                team_id=team.id,
                created_by=by.actor,
                created_at=by.at,
                expires_at=by.at + request.expires_in_s,
                note=request.note,
                address=by.address,
            )
            return _added(tx, enrolment, team)

        return await self._database.write(operation)

    async def revoke(self, team: Team, token_id: str, *, by: By) -> None:
        """End a token that was not used; see the port."""

        def operation(tx: Transaction) -> None:
            mine = (enrolment_tokens.c.id == token_id, enrolment_tokens.c.team_id == team.id)
            unused = update(enrolment_tokens).where(
                *mine, enrolment_tokens.c.used_at.is_(None), enrolment_tokens.c.revoked_at.is_(None)
            )
            if rows_changed(tx, unused.values(revoked_at=by.at)) == 1:
                _record(tx, "enrolment_token.revoked", token_id, team, by)
                return
            row = tx.run(select(enrolment_tokens).where(*mine)).first()
            if row is None:
                raise NotFoundError(f"team {team.name} has no enrolment token {token_id}")
            if row.used_at is not None:
                raise ConflictError(f"{token_id} was used already, by agent {row.used_by}: lock that agent instead")

        await self._database.write(operation)


def _site_id(tx: Transaction, team: Team, site: str) -> str:
    found = tx.run(select(sites.c.id).where(sites.c.team_id == team.id, sites.c.name == site)).scalar()
    if found is None:
        raise NotFoundError(f"team {team.name} has no site {site}: create it first")
    return str(found)


def _check_key_is_new(tx: Transaction, team: Team, jkt: str, *, now: float) -> None:
    """Refuse a key that an agent has, or that is let in already: elsewhere it would be let in at the wrong site."""
    if tx.run(select(agents.c.id).where(or_(agents.c.jkt == jkt, agents.c.next_jkt == jkt))).first() is not None:
        raise ConflictError("an agent has this key already: each agent needs a key of its own")
    known = select(enrolment_tokens.c.id, enrolment_tokens.c.team_id).where(
        enrolment_tokens.c.bound_jkt == jkt,
        enrolment_tokens.c.secret_sha256.is_(None),
        sql_enrolments.is_open(now),
    )
    if (row := tx.run(known).first()) is not None:
        where = f"as {row.id}: revoke that first" if row.team_id == team.id else "in another team: make a new key"
        raise ConflictError(f"this key is registered already, {where}")


def _added(tx: Transaction, enrolment: NewEnrolment, team: Team) -> EnrolmentToken:
    sql_enrolments.add(tx, enrolment)
    return _enrolment_token(tx.run(_enrolment_tokens(team).where(enrolment_tokens.c.id == enrolment.id)).one(), team)


class SqlApiTokens:
    """Implements ``leasehold_api.fleet.registry.ApiTokenStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, team: Team, part: Slice) -> ApiTokenList:
        """Return the team's tokens, without secrets."""
        query = (
            select(api_tokens)
            .where(api_tokens.c.team_id == team.id, api_tokens.c.id > (part.after or ""))
            .order_by(api_tokens.c.id)
            .limit(part.limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        items = [_api_token(row, team) for row in rows]
        return ApiTokenList(items=items, next=next_of(part, [item.id for item in items]))

    async def issue(self, team: Team, request: ApiTokenRequest, *, token: OpaqueToken, by: By) -> ApiToken:
        """Keep the token's hash."""

        def operation(tx: Transaction) -> ApiToken:
            row = {
                "id": token.id,
                "team_id": team.id,
                "name": request.name,
                "role": request.role.value,
                "secret_sha256": token.sha256,
                "created_by": by.actor,
                "created_at": by.at,
                "expires_at": by.at + request.expires_in_s,
            }
            tx.run(insert(api_tokens), row)
            _record(tx, "api_token.issued", token.id, team, by, {"name": request.name, "role": request.role.value})
            return _api_token(tx.run(select(api_tokens).where(api_tokens.c.id == token.id)).one(), team)

        return await self._database.write(operation)

    async def revoke(self, team: Team, token_id: str, *, by: By) -> None:
        """End a token at once; see the port."""

        def operation(tx: Transaction) -> None:
            mine = (api_tokens.c.id == token_id, api_tokens.c.team_id == team.id)
            live = update(api_tokens).where(*mine, api_tokens.c.revoked_at.is_(None)).values(revoked_at=by.at)
            if rows_changed(tx, live) == 1:
                _record(tx, "api_token.revoked", token_id, team, by)
            elif tx.run(select(api_tokens.c.id).where(*mine)).first() is None:
                raise NotFoundError(f"team {team.name} has no API token {token_id}")

        await self._database.write(operation)


def _enrolment_tokens(team: Team) -> Select[Any]:
    return (
        select(enrolment_tokens, sites.c.name.label("site"))
        .join(sites, sites.c.id == enrolment_tokens.c.site_id)
        .where(enrolment_tokens.c.team_id == team.id)
    )


def _enrolment_token(row: Row[Any], team: Team) -> EnrolmentToken:
    return EnrolmentToken(
        id=row.id,
        site=row.site,
        team=team.name,
        note=row.note,
        key_thumbprint=row.bound_jkt,
        created_by=row.created_by,
        created_at=instant(row.created_at),
        expires_at=instant(row.expires_at),
        used_at=instant_or_none(row.used_at),
        used_by=row.used_by,
        used_from=row.used_from,
        revoked_at=instant_or_none(row.revoked_at),
    )


def _api_token(row: Row[Any], team: Team) -> ApiToken:
    return ApiToken(
        id=row.id,
        name=row.name,
        team=team.name,
        role=Role(row.role),
        created_by=row.created_by,
        created_at=instant(row.created_at),
        expires_at=instant_or_none(row.expires_at),
        last_used_at=instant_or_none(row.last_used_at),
        revoked_at=instant_or_none(row.revoked_at),
    )


def _record(
    tx: Transaction, action: str, token_id: str, team: Team, by: By, detail: dict[str, Any] | None = None
) -> None:
    sql_audit.record(
        tx, at=by.at, actor=by.actor, address=by.address, action=action, object=token_id, team_id=team.id, detail=detail
    )
