"""The store of browser sessions on SQLite and PostgreSQL. Only hashes of their secrets are kept."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from leasehold_api.people.sessions import (
    IDLE_S,
    LONGEST_S,
    Method,
    NewSession,
    SessionSecret,
    SessionStanding,
    SessionView,
)
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import rows_changed
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_callers import standing_of_user
from leasehold_api.storage.tables import browser_sessions, users
from leasehold_api.storage.writer import Transaction

_SESSION = select(browser_sessions).where(browser_sessions.c.secret_sha256 == bindparam("sha256"))


class SqlSessions:
    """Implements ``leasehold_api.people.sessions.SessionStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, session: NewSession) -> bool:
        """Keep a session; see the port."""
        return await self._database.write(lambda tx: begin_session(tx, session))

    async def standing(self, secret: SessionSecret) -> SessionStanding | None:
        """Return the session that a cookie names."""
        return await self._database.read(lambda connection: _standing(connection, secret))

    async def used(self, session_id: str, *, at: float, address: str | None) -> None:
        """Remember when and from where a session was last used."""
        statement = update(browser_sessions).where(browser_sessions.c.id == session_id)
        await self._database.write(lambda tx: tx.run(statement.values(last_used_at=at, address=address)).close())

    async def list(self, user_id: str, *, now: float) -> list[SessionView]:
        """Return a user's live sessions, the one used last first."""
        query = (
            select(browser_sessions)
            .join(users, users.c.id == browser_sessions.c.user_id)
            .where(
                browser_sessions.c.user_id == user_id,
                browser_sessions.c.token_epoch == users.c.token_epoch,
                browser_sessions.c.ended_at.is_(None),
                browser_sessions.c.expires_at > now,
                browser_sessions.c.last_used_at > now - IDLE_S,
            )
            .order_by(browser_sessions.c.last_used_at.desc())
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            SessionView(
                id=row.id,
                method=Method(row.method),
                created_at=row.created_at,
                last_used_at=row.last_used_at,
                address=row.address,
                user_agent=row.user_agent,
            )
            for row in rows
        ]

    async def end(self, session_id: str, *, user_id: str, actor: str, at: float, address: str | None) -> bool:
        """End one of a user's sessions; see the port."""

        def operation(tx: Transaction) -> bool:
            mine = (browser_sessions.c.id == session_id, browser_sessions.c.user_id == user_id)
            if not _end(tx, *mine, at=at):
                return False
            sql_audit.record(tx, at=at, actor=actor, address=address, action="session.ended", object=session_id)
            return True

        return await self._database.write(operation)


def begin_session(tx: Transaction, session: NewSession) -> bool:
    """Keep a session, in a transaction that may do more; say no when the user is locked or gone."""
    user = tx.run(select(users).where(users.c.id == session.user_id, users.c.locked_at.is_(None))).first()
    if user is None:
        return False
    # What is over is of no more use: the audit trail says who signed in when.
    tx.run(delete(browser_sessions).where(browser_sessions.c.user_id == user.id, _is_over(session.at)))
    row = {
        "id": session.id,
        "secret_sha256": session.secret.sha256,
        "user_id": user.id,
        "token_epoch": user.token_epoch,
        "method": session.method.value,
        "created_at": session.at,
        "last_used_at": session.at,
        "expires_at": session.at + LONGEST_S,
        "address": session.address,
        "user_agent": (session.user_agent or "")[:300] or None,
    }
    tx.run(insert(browser_sessions), row)
    tx.run(update(users).where(users.c.id == user.id).values(last_sign_in_at=session.at))
    sql_audit.record(
        tx,
        at=session.at,
        actor=f"user:{user.name}",
        address=session.address,
        action="sign_in.done",
        object=session.id,
        detail={"method": session.method.value},
    )
    return True


def _is_over(now: float) -> ColumnElement[bool]:
    return (
        browser_sessions.c.ended_at.is_not(None)
        | (browser_sessions.c.expires_at <= now)
        | (browser_sessions.c.last_used_at <= now - IDLE_S)
    )


def _end(tx: Transaction, *which: ColumnElement[bool], at: float) -> bool:
    alive = update(browser_sessions).where(*which, browser_sessions.c.ended_at.is_(None))
    return rows_changed(tx, alive.values(ended_at=at)) > 0


def _standing(connection: Connection, secret: SessionSecret) -> SessionStanding | None:
    row = connection.execute(_SESSION, {"sha256": secret.sha256}).first()
    user = None if row is None else standing_of_user(connection, row.user_id)
    if row is None or user is None:
        return None
    return SessionStanding(
        id=row.id,
        token_epoch=row.token_epoch,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        user=user,
    )
