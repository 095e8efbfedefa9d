"""The store of users on SQLite and PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, insert, select, update

from leasehold_api.acting import By, Slice
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.fleet.roles import highest
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.sql_links import end_links, keep_link
from leasehold_api.storage.tables import api_tokens, memberships, teams, users
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.people import MemberOrigin, SignInBy, User, UserInvite, UserList
from leasehold_protocol.v1.problems import ProblemCode

_IS_ADMIN = users.c.is_platform_admin | users.c.is_admin_by_groups


class SqlUsers:
    """Implements ``leasehold_api.people.users.UserStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, part: Slice) -> UserList:
        """Return users by name."""
        query = select(users).where(users.c.name > (part.after or "")).order_by(users.c.name).limit(part.limit)
        items = await self._database.read(lambda connection: _users(connection, connection.execute(query).all()))
        return UserList(items=items, next=next_of(part, [item.name for item in items]))

    async def get(self, name: str) -> User:
        """Return a user; see the port."""
        return await self._database.read(lambda connection: _user(connection, name))

    async def invite(self, invite: UserInvite, *, user_id: str, link: OpaqueToken, lasts_s: float, by: By) -> None:
        """Make a user; see the port."""

        def operation(tx: Transaction) -> None:
            row = {
                "id": user_id,
                "name": invite.name,
                "email": invite.email,
                "is_platform_admin": invite.is_platform_admin,
                "created_at": by.at,
                "created_by": by.actor,
            }
            if not insert_unless_there(tx, users, row):
                raise ConflictError(
                    f"there is a user {invite.name} already; a new link: leasehold users reset {invite.name}",
                    code=ProblemCode.ALREADY_EXISTS,
                )
            for team, role in invite.roles.items():
                team_id = tx.run(select(teams.c.id).where(teams.c.name == team)).scalar()
                if team_id is None:
                    raise NotFoundError(f"there is no team {team}: make it first, or leave it out")
                granted = {"user_id": user_id, "team_id": team_id, "origin": MemberOrigin.GRANTED, "role": role.value}
                tx.run(insert(memberships), granted)
            keep_link(tx, link, user_id=user_id, purpose="invite", lasts_s=lasts_s, by=by)
            detail = {"platform_admin": invite.is_platform_admin, "roles": dict(invite.roles), "link": link.id}
            _record(tx, "user.invited", invite.name, by, detail)

        await self._database.write(operation)

    async def reset(self, name: str, *, link: OpaqueToken, lasts_s: float, by: By) -> None:
        """Keep a link for a new password; see the port."""

        def operation(tx: Transaction) -> None:
            user = _row(tx.connection, name)
            if user.issuer is not None:
                raise ConflictError(f"{name} signs in at {user.issuer} and has no password here: reset it there")
            keep_link(tx, link, user_id=user.id, purpose="reset", lasts_s=lasts_s, by=by)
            _record(tx, "user.reset", name, by, {"link": link.id})

        await self._database.write(operation)

    async def lock(self, name: str, *, because: str, by: By) -> User:
        """Lock a user; see the port."""

        def operation(tx: Transaction) -> User:
            user = _row(tx.connection, name)
            if user.locked_at is None:
                _check_not_last(tx, user, by)
                end_links(tx, user.id)
                ended = {"locked_at": by.at, "locked_because": because, "token_epoch": users.c.token_epoch + 1}
                tx.run(update(users).where(users.c.id == user.id).values(**ended))
                _record(tx, "user.locked", name, by, {"because": because})
            return _user(tx.connection, name)

        return await self._database.write(operation)

    async def unlock(self, name: str, *, by: By) -> User:
        """Let a user sign in again."""

        def operation(tx: Transaction) -> User:
            user = _row(tx.connection, name)
            if user.locked_at is not None:
                tx.run(update(users).where(users.c.id == user.id).values(locked_at=None, locked_because=None))
                _record(tx, "user.unlocked", name, by)
            return _user(tx.connection, name)

        return await self._database.write(operation)

    async def set_platform_admin(self, name: str, *, wanted: bool, by: By) -> User:
        """Make somebody a platform admin, or no longer one; see the port."""

        def operation(tx: Transaction) -> User:
            user = _row(tx.connection, name)
            if user.is_admin_by_groups and not wanted:
                raise ConflictError(
                    f"the groups of {name} at {user.issuer} make them a platform admin: change them there"
                )
            if user.is_platform_admin != wanted:
                if not wanted:
                    _check_not_last(tx, user, by)
                tx.run(update(users).where(users.c.id == user.id).values(is_platform_admin=wanted))
                _record(tx, "user.platform_admin", name, by, {"is_platform_admin": wanted})
            return _user(tx.connection, name)

        return await self._database.write(operation)

    async def end_everything(self, user_id: str, *, by: By) -> None:
        """End all sessions and tokens of a user."""

        def operation(tx: Transaction) -> None:
            tx.run(update(users).where(users.c.id == user_id).values(token_epoch=users.c.token_epoch + 1))
            _record(tx, "session.all_ended", user_id, by)

        await self._database.write(operation)

    async def delete(self, name: str, *, by: By) -> None:
        """Remove a user; see the port."""

        def operation(tx: Transaction) -> None:
            user = _row(tx.connection, name)
            _check_not_last(tx, user, by)
            tx.run(delete(users).where(users.c.id == user.id))
            _record(tx, "user.deleted", name, by, {"user": user.id})

        await self._database.write(operation)


def _row(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(users).where(users.c.name == name)).first()
    if row is None:
        raise NotFoundError(f"there is no user {name}; leasehold users list shows them")
    return row


def _user(connection: Connection, name: str) -> User:
    return _users(connection, [_row(connection, name)])[0]


def _users(connection: Connection, rows: Iterable[Row[Any]]) -> list[User]:
    rows = list(rows)
    query = (
        select(memberships.c.user_id, memberships.c.role, teams.c.name)
        .join(teams, teams.c.id == memberships.c.team_id)
        .where(memberships.c.user_id.in_([row.id for row in rows]))
        .order_by(teams.c.name)
    )
    roles: dict[str, dict[str, Role]] = defaultdict(dict)
    for user_id, role, team in connection.execute(query):
        roles[user_id][team] = highest(Role(role), roles[user_id].get(team, Role(role)))
    return [
        User(
            id=row.id,
            name=row.name,
            email=row.email,
            signs_in_by=_signs_in_by(row),
            is_platform_admin=row.is_platform_admin or row.is_admin_by_groups,
            roles=roles[row.id],
            locked_because=None if row.locked_at is None else row.locked_because or "no reason was given",
            created_at=instant(row.created_at),
            created_by=row.created_by,
            last_sign_in_at=instant_or_none(row.last_sign_in_at),
        )
        for row in rows
    ]


def _signs_in_by(row: Row[Any]) -> SignInBy:
    if row.issuer is not None:
        return SignInBy.PROVIDER
    return SignInBy.LINK if row.password_hash is None else SignInBy.PASSWORD


def _check_not_last(tx: Transaction, user: Row[Any], by: By) -> None:
    """Refuse what would leave nobody who can administer the platform."""
    if not (user.is_platform_admin or user.is_admin_by_groups) or user.locked_at is not None:
        return
    can_sign_in: ColumnElement[bool] = users.c.password_hash.is_not(None) | users.c.issuer.is_not(None)
    # Locked while this is decided: two admins who lock each other at once would both go otherwise.
    admins = tx.run(
        select(users.c.id)
        .where(_IS_ADMIN, users.c.locked_at.is_(None), can_sign_in)
        .order_by(users.c.id)
        .with_for_update()
    ).scalars()
    if any(admin != user.id for admin in admins):
        return
    works = api_tokens.c.expires_at.is_(None) | (api_tokens.c.expires_at > by.at)
    token = exists().where(api_tokens.c.team_id.is_(None), api_tokens.c.revoked_at.is_(None), works)
    if not tx.run(select(token)).scalar():
        raise ConflictError(f"{user.name} is the last platform admin: make somebody else one first")


def _record(tx: Transaction, action: str, name: str, by: By, detail: dict[str, Any] | None = None) -> None:
    sql_audit.record(tx, at=by.at, actor=by.actor, address=by.address, action=action, object=name, detail=detail)
