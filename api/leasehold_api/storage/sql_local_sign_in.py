"""The store of sign-in links and passwords on SQLite and PostgreSQL. Of both only hashes are kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from leasehold_api.acting import By
from leasehold_api.errors import ConflictError
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_api.people.links import BOOTSTRAP_LASTS_S, LocalUser, OpenLink, Purpose
from leasehold_api.people.sessions import NewSession
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import rows_changed
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_links import keep_link
from leasehold_api.storage.sql_sessions import begin_session
from leasehold_api.storage.tables import sign_in_links, users
from leasehold_api.storage.writer import Transaction


class SqlLocalSignIn:
    """Implements ``leasehold_api.people.links.LocalSignInStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_link(self, code: OpaqueToken, *, now: float) -> OpenLink | None:
        """Return the link that a code opens, if it still works."""
        row = await self._database.read(lambda connection: _link(connection, code))
        if row is None or not code.has_digest(row.secret_sha256):
            return None
        if row.used_at is not None or now >= row.expires_at or row.locked_at is not None:
            return None
        return OpenLink(user_id=row.user_id, user=row.name, purpose=Purpose(row.purpose))

    async def redeem(self, code: OpaqueToken, *, password_hash: str, session: NewSession) -> bool:
        """Use a link up; see the port."""

        def operation(tx: Transaction) -> bool:
            # One conditional UPDATE, not read-then-write: of those that race here one changes the row.
            use = update(sign_in_links).where(
                sign_in_links.c.id == code.id,
                sign_in_links.c.secret_sha256 == code.sha256,
                sign_in_links.c.user_id == session.user_id,
                sign_in_links.c.used_at.is_(None),
                sign_in_links.c.expires_at > session.at,
                sign_in_links.c.user_id.in_(select(users.c.id).where(users.c.locked_at.is_(None))),
            )
            if rows_changed(tx, use.values(used_at=session.at, used_from=session.address)) != 1:
                return False
            changed = {"password_hash": password_hash, "token_epoch": users.c.token_epoch + 1}
            tx.run(update(users).where(users.c.id == session.user_id).values(**changed))
            name = tx.run(select(users.c.name).where(users.c.id == session.user_id)).scalar_one()
            sql_audit.record(
                tx,
                at=session.at,
                actor=f"user:{name}",
                address=session.address,
                action="password.set",
                object=name,
                detail={"link": code.id},
            )
            return begin_session(tx, session)

        return await self._database.write(operation)

    async def local_user(self, name: str) -> LocalUser | None:
        """Return the user with this name who has a password here."""
        query = select(users).where(users.c.name == name, users.c.issuer.is_(None))
        row = await self._database.read(lambda connection: connection.execute(query).first())
        if row is None or row.password_hash is None:
            return None
        because = None if row.locked_at is None else row.locked_because or "no reason was given"
        return LocalUser(id=row.id, name=row.name, password_hash=row.password_hash, locked_because=because)

    async def rehash(self, user_id: str, *, was: str, password_hash: str) -> None:
        """Put another hash of the same password in place of ``was``."""
        same = update(users).where(users.c.id == user_id, users.c.password_hash == was)
        await self._database.write(lambda tx: tx.run(same.values(password_hash=password_hash)).close())

    async def bootstrap(self, name: str, *, user_id: str, link: OpaqueToken, by: By) -> None:
        """Make a platform admin and keep a link for them; see the port."""
        await self._database.write(lambda tx: bootstrap_link(tx, name, user_id=user_id, link=link, by=by))


def bootstrap_link(tx: Transaction, name: str, *, user_id: str, link: OpaqueToken, by: By) -> None:
    """Make a platform admin, or take the one of that name, and keep a link for them.

    Raises:
        ConflictError: as ``LocalSignInStore.bootstrap`` says.
    """
    row = tx.run(select(users).where(users.c.name == name)).first()
    if row is None:
        made = {"id": user_id, "name": name, "is_platform_admin": True, "created_at": by.at, "created_by": by.actor}
        tx.run(insert(users), made)
    elif row.issuer is not None or not row.is_platform_admin:
        raise ConflictError(f"there is a user {name} who is no platform admin with a password: take another --name")
    elif row.locked_at is not None:
        raise ConflictError(f"{name} is locked: take another --name, then unlock them")
    keep_link(
        tx,
        link,
        user_id=user_id if row is None else row.id,
        purpose=Purpose.BOOTSTRAP,
        lasts_s=BOOTSTRAP_LASTS_S,
        by=by,
    )
    sql_audit.record(
        tx, at=by.at, actor=by.actor, address=by.address, action="user.bootstrap", object=name, detail={"link": link.id}
    )


def _link(connection: Connection, code: OpaqueToken) -> Row[Any] | None:
    query = (
        select(sign_in_links, users.c.name, users.c.locked_at)
        .join(users, users.c.id == sign_in_links.c.user_id)
        .where(sign_in_links.c.id == code.id)
    )
    return connection.execute(query).first()
