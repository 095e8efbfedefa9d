"""What the authorization server keeps of people and service clients, on SQLite and PostgreSQL: sign-ins and codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from leasehold_api.fleet.standing import UserStanding
from leasehold_api.oauth.kept.people_store import (
    ApiTokenFacts,
    AuthorizationCode,
    DeviceRequest,
    DeviceState,
    ServiceAccount,
    SignedInApplication,
    SignIn,
)
from leasehold_api.oauth.kept.refreshing import RefreshToken
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_api.storage.conditional import insert_unless_there, rows_changed
from leasehold_api.storage.sql_callers import standing_of_user
from leasehold_api.storage.tables import (
    api_tokens,
    oauth_codes,
    oauth_devices,
    oauth_refresh_tokens,
    oauth_sign_ins,
    revoked_jtis,
    service_clients,
    sites,
    teams,
    users,
)
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import Role

FORGOTTEN_AFTER_S = 86400.0
"""How long a code that ended is remembered: a second use of it must still be told from a code that never was."""


class SqlPeopleStore:
    """Implements ``leasehold_api.oauth.kept.people_store.PeopleStore`` in one transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def user(self, user_id: str) -> UserStanding | None:
        """Return a person as they stand."""
        return standing_of_user(self._tx.connection, user_id)

    # ── codes ──

    def add_code(self, code: AuthorizationCode, *, now: float) -> None:
        """Keep a code; see the port."""
        self._tx.run(delete(oauth_codes).where(oauth_codes.c.expires_at < now - FORGOTTEN_AFTER_S))
        row = {column.name: getattr(code, column.name) for column in oauth_codes.columns}
        self._tx.run(insert(oauth_codes), row)

    def code(self, sha256: str) -> AuthorizationCode | None:
        """Return a code."""
        row = self._tx.run(select(oauth_codes).where(oauth_codes.c.sha256 == sha256)).first()
        return (
            None
            if row is None
            else AuthorizationCode(**{name: getattr(row, name) for name in AuthorizationCode.__slots__})
        )

    def use_code(self, sha256: str, *, sign_in_id: str, now: float) -> bool:
        """Use a code once; see the port."""
        # One conditional UPDATE: of two that redeem the same code one wins, in whatever process.
        unused = update(oauth_codes).where(
            oauth_codes.c.sha256 == sha256, oauth_codes.c.used_at.is_(None), oauth_codes.c.expires_at > now
        )
        return rows_changed(self._tx, unused.values(used_at=now, sign_in_id=sign_in_id)) == 1

    # ── devices ──

    def add_device(self, device: DeviceRequest) -> bool:
        """Keep a device's request; see the port."""
        ended = oauth_devices.c.expires_at < device.created_at - FORGOTTEN_AFTER_S
        self._tx.run(delete(oauth_devices).where(ended))
        row = {name: getattr(device, name) for name in DeviceRequest.__slots__}
        return insert_unless_there(self._tx, oauth_devices, row | {"state": device.state.value})

    def device(self, sha256: str) -> DeviceRequest | None:
        """Return a device's request."""
        return _device(self._tx.run(select(oauth_devices).where(oauth_devices.c.sha256 == sha256)).first())

    def device_with_code(self, user_code: str) -> DeviceRequest | None:
        """Return the request that has this user code."""
        return _device(self._tx.run(select(oauth_devices).where(oauth_devices.c.user_code == user_code)).first())

    def polled(self, sha256: str, *, interval_s: int, now: float) -> None:
        """Remember that a device asked."""
        this = update(oauth_devices).where(oauth_devices.c.sha256 == sha256)
        self._tx.run(this.values(polled_at=now, interval_s=interval_s))

    def decide_device(
        self, device: DeviceRequest, state: DeviceState, *, user: UserStanding, site_id: str | None, now: float
    ) -> bool:
        """Approve or deny a request that is pending; see the port."""
        pending = update(oauth_devices).where(
            oauth_devices.c.sha256 == device.sha256,
            oauth_devices.c.state == DeviceState.PENDING.value,
            oauth_devices.c.expires_at > now,
        )
        decision = {
            "state": state.value,
            "scope": device.scope,
            "user_id": user.id,
            "user_epoch": user.token_epoch,
            "decided_at": now,
            "decided_by": f"user:{user.name}",
            "site_id": site_id,
        }
        return rows_changed(self._tx, pending.values(**decision)) == 1

    def use_device(self, sha256: str, *, now: float) -> bool:
        """Use an approved request once; see the port."""
        approved = update(oauth_devices).where(
            oauth_devices.c.sha256 == sha256,
            oauth_devices.c.state == DeviceState.APPROVED.value,
            oauth_devices.c.expires_at > now,
        )
        return rows_changed(self._tx, approved.values(state=DeviceState.USED.value)) == 1

    # ── sign-ins ──

    def add_sign_in(self, sign_in: SignIn, *, address: str | None, now: float) -> None:
        """Begin a sign-in."""
        row = {name: getattr(sign_in, name) for name in SignIn.__slots__}
        self._tx.run(insert(oauth_sign_ins), row | {"created_at": now, "created_from": address, "last_used_at": now})

    def sign_in(self, sign_in_id: str) -> SignIn | None:
        """Return a sign-in, held until the transaction ends."""
        # FOR UPDATE: two uses of one refresh token are judged one after the other, in whatever process.
        query = select(oauth_sign_ins).where(oauth_sign_ins.c.id == sign_in_id).with_for_update()
        row = self._tx.run(query).first()
        return None if row is None else SignIn(**{name: getattr(row, name) for name in SignIn.__slots__})

    def applications(self, user_id: str, *, now: float) -> Sequence[SignedInApplication]:
        """Return a person's sign-ins that go on; see the port."""
        names = SignedInApplication.__slots__
        query = (
            select(*(oauth_sign_ins.c[name] for name in names))
            .join(users, users.c.id == oauth_sign_ins.c.user_id)
            .where(
                users.c.id == user_id,
                oauth_sign_ins.c.ended_at.is_(None),
                oauth_sign_ins.c.expires_at > now,
                # What was agreed to before everything was ended is over, too.
                oauth_sign_ins.c.user_epoch == users.c.token_epoch,
            )
            .order_by(oauth_sign_ins.c.last_used_at.desc(), oauth_sign_ins.c.id)
            .limit(100)
        )
        return [SignedInApplication(**{name: getattr(row, name) for name in names}) for row in self._tx.run(query)]

    def renew_sign_in(self, sign_in_id: str, *, expires_at: float, jkt: str | None, now: float) -> None:
        """Remember that a sign-in was used."""
        this = update(oauth_sign_ins).where(oauth_sign_ins.c.id == sign_in_id)
        self._tx.run(this.values(last_used_at=now, expires_at=expires_at, jkt=jkt))

    def end_sign_in(self, sign_in_id: str, *, because: str, now: float) -> bool:
        """End a sign-in with all its tokens; see the port."""
        live = update(oauth_sign_ins).where(oauth_sign_ins.c.id == sign_in_id, oauth_sign_ins.c.ended_at.is_(None))
        return rows_changed(self._tx, live.values(ended_at=now, ended_because=because)) == 1

    def add_refresh_token(self, token: OpaqueToken, *, sign_in_id: str, expires_at: float, now: float) -> None:
        """Keep a refresh token's hash."""
        ended = oauth_refresh_tokens.c.expires_at < now - FORGOTTEN_AFTER_S
        self._tx.run(delete(oauth_refresh_tokens).where(ended))
        row = {"id": token.id, "sign_in_id": sign_in_id, "secret_sha256": token.sha256, "expires_at": expires_at}
        self._tx.run(insert(oauth_refresh_tokens), row)

    def refresh_token(self, token_id: str) -> RefreshToken | None:
        """Return a refresh token."""
        successor = oauth_refresh_tokens.alias("successor")
        row = self._tx.run(
            select(oauth_refresh_tokens, successor.c.used_at.label("successor_used_at"))
            .outerjoin(successor, successor.c.id == oauth_refresh_tokens.c.successor_id)
            .where(oauth_refresh_tokens.c.id == token_id)
        ).first()
        if row is None:
            return None
        return RefreshToken(
            id=row.id,
            secret_sha256=row.secret_sha256,
            sign_in_id=row.sign_in_id,
            expires_at=row.expires_at,
            used_at=row.used_at,
            successor_used_at=row.successor_used_at,
            has_successor=row.successor_id is not None,
        )

    def use_refresh_token(self, token: RefreshToken, *, successor_id: str, now: float) -> None:
        """Remember that it was used, and for what; see the port."""
        this = oauth_refresh_tokens.c.id == token.id
        given_before = select(oauth_refresh_tokens.c.successor_id).where(this).scalar_subquery()
        void = update(oauth_refresh_tokens).where(oauth_refresh_tokens.c.id == given_before)
        self._tx.run(void.values(used_at=now))
        # Its first use counts: by asking again and again nobody gets more than the minute.
        first_use = now if token.used_at is None else token.used_at
        self._tx.run(update(oauth_refresh_tokens).where(this).values(used_at=first_use, successor_id=successor_id))

    # ── service clients, single tokens ──

    def service_account(self, client_id: str) -> ServiceAccount | None:
        """Return a service client."""
        row = self._tx.run(
            select(service_clients, teams.c.name.label("team"))
            .join(teams, teams.c.id == service_clients.c.team_id)
            .where(service_clients.c.id == client_id)
        ).first()
        if row is None:
            return None
        return ServiceAccount(
            id=row.id,
            team_id=row.team_id,
            team=row.team,
            name=row.name,
            role=Role(row.role),
            secret_sha256=row.secret_sha256,
            public_jwk=None if row.public_jwk is None else json.loads(row.public_jwk),
            token_epoch=row.token_epoch,
            expires_at=row.expires_at,
            locked_because=None if row.locked_at is None else row.locked_because or "no reason was given",
        )

    def service_account_used(self, client_id: str, *, now: float) -> None:
        """Remember when it last signed in."""
        self._tx.run(update(service_clients).where(service_clients.c.id == client_id).values(last_used_at=now))

    def revoke_jti(self, jti: str, *, expires_at: float, now: float) -> None:
        """End one token before its time; those whose time is over are forgotten."""
        self._tx.run(delete(revoked_jtis).where(revoked_jtis.c.expires_at < now))
        insert_unless_there(self._tx, revoked_jtis, {"jti": jti, "expires_at": expires_at})

    def is_revoked(self, jti: str) -> bool:
        """Say whether a token was ended before its time."""
        return self._tx.run(select(revoked_jtis.c.jti).where(revoked_jtis.c.jti == jti)).first() is not None

    def api_token(self, token_id: str) -> ApiTokenFacts | None:
        """Return an API token."""
        row = self._tx.run(select(api_tokens).where(api_tokens.c.id == token_id)).first()
        if row is None:
            return None
        return ApiTokenFacts(
            id=row.id,
            name=row.name,
            team_id=row.team_id,
            role=Role(row.role),
            secret_sha256=row.secret_sha256,
            created_at=row.created_at,
            expires_at=row.expires_at,
            is_revoked=row.revoked_at is not None,
        )

    def revoke_api_token(self, token_id: str, *, now: float) -> bool:
        """End an API token; see the port."""
        live = update(api_tokens).where(api_tokens.c.id == token_id, api_tokens.c.revoked_at.is_(None))
        return rows_changed(self._tx, live.values(revoked_at=now)) == 1

    def team_of_site(self, site_id: str) -> str | None:
        """Return the id of a site's team; see the port."""
        return self._tx.run(select(sites.c.team_id).where(sites.c.id == site_id)).scalar()

    def site_in(self, team_id: str, name: str) -> str | None:
        """Return the id of a team's site."""
        return self._tx.run(select(sites.c.id).where(sites.c.team_id == team_id, sites.c.name == name)).scalar()


def _device(row: Row[Any] | None) -> DeviceRequest | None:
    if row is None:
        return None
    facts: dict[str, Any] = {name: getattr(row, name) for name in DeviceRequest.__slots__}
    facts["state"] = DeviceState(row.state)
    return DeviceRequest(**facts)
