"""The store of people of the OIDC provider on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from leasehold_api.errors import ConflictError
from leasehold_api.people.group_roles import Granted
from leasehold_api.people.provider import Identity
from leasehold_api.people.provider_users import Entry, Pending, name_for
from leasehold_api.people.sessions import NewSession
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_members import add_groups_role, forget_groups_roles, groups_roles
from leasehold_api.storage.sql_sessions import begin_session
from leasehold_api.storage.tables import pending_sign_ins, teams, users
from leasehold_api.storage.writer import Transaction

MOST_NAMESAKES = 50


class SqlProviderSignIn:
    """Implements ``leasehold_api.people.provider_users.ProviderSignInStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remember(self, pending: Pending, *, now: float) -> None:
        """Keep somebody who is sent to the provider."""
        row = {
            "state_sha256": _sha256(pending.state),
            "browser_sha256": _sha256(pending.browser),
            "nonce": pending.nonce,
            "code_verifier": pending.code_verifier,
            "next_path": pending.next_path,
            "expires_at": pending.expires_at,
        }

        def operation(tx: Transaction) -> None:
            tx.run(delete(pending_sign_ins).where(pending_sign_ins.c.expires_at <= now))
            tx.run(insert(pending_sign_ins), row)

        await self._database.write(operation)

    async def take(self, *, state: str, browser: str, now: float) -> Pending | None:
        """Return, once, who was sent with this state by this browser."""
        once = (
            delete(pending_sign_ins)
            .where(
                pending_sign_ins.c.state_sha256 == _sha256(state),
                pending_sign_ins.c.browser_sha256 == _sha256(browser),
                pending_sign_ins.c.expires_at > now,
            )
            .returning(pending_sign_ins)
        )
        row = await self._database.write(lambda tx: tx.run(once).first())
        if row is None:
            return None
        return Pending(
            state=state,
            browser=browser,
            nonce=row.nonce,
            code_verifier=row.code_verifier,
            next_path=row.next_path,
            expires_at=row.expires_at,
        )

    async def enter(self, identity: Identity, granted: Granted, session: NewSession, *, needs_group: bool) -> Entry:
        """Make or find the user and begin the session; see the port."""

        def operation(tx: Transaction) -> Entry:
            user = _find(tx, identity)
            if user is None and needs_group and not granted.is_something:
                return Entry.NOT_KNOWN
            if user is None:
                user = _make(tx, identity, session)
            if user.locked_at is not None:
                return Entry.LOCKED
            _put_groups_roles(tx, user, granted, session)
            begin_session(tx, replace(session, user_id=user.id))
            return Entry.ENTERED

        return await self._database.write(operation)


def _find(tx: Transaction, identity: Identity) -> Row[Any] | None:
    mine = (users.c.issuer == identity.issuer, users.c.subject == identity.subject)
    # Locked, so that two sign-ins at once don't both put the roles of the groups in place.
    return tx.run(select(users).where(*mine).with_for_update()).first()


def _make(tx: Transaction, identity: Identity, session: NewSession) -> Row[Any]:
    for number in range(1, MOST_NAMESAKES):
        name = name_for(identity.name, number)
        row = {
            "id": session.user_id,
            "name": name,
            "email": identity.email,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "created_at": session.at,
            "created_by": f"provider:{identity.issuer}",
        }
        if insert_unless_there(tx, users, row):
            _record(tx, "user.created", name, session, {"issuer": identity.issuer, "subject": identity.subject})
        # Another process may have made the same user in the meantime.
        if (user := _find(tx, identity)) is not None:
            return user
    raise ConflictError(f"too many users are named {name_for(identity.name, 1)}: choose another oidc_name_claim")


def _put_groups_roles(tx: Transaction, user: Row[Any], granted: Granted, session: NewSession) -> None:
    known = {
        row.name: row.id for row in tx.run(select(teams.c.name, teams.c.id).where(teams.c.name.in_(granted.roles)))
    }
    wanted = {known[team]: role for team, role in granted.roles.items() if team in known}
    if groups_roles(tx, user.id) == wanted and user.is_admin_by_groups == granted.is_platform_admin:
        return
    forget_groups_roles(tx, user.id)
    for team_id, role in wanted.items():
        add_groups_role(tx, user_id=user.id, team_id=team_id, role=role)
    tx.run(update(users).where(users.c.id == user.id).values(is_admin_by_groups=granted.is_platform_admin))
    roles = {team: role for team, role in granted.roles.items() if team in known}
    _record(tx, "user.groups", user.name, session, {"roles": roles, "platform_admin": granted.is_platform_admin})


def _record(tx: Transaction, action: str, name: str, session: NewSession, detail: dict[str, Any]) -> None:
    sql_audit.record(
        tx, at=session.at, actor=f"user:{name}", address=session.address, action=action, object=name, detail=detail
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
