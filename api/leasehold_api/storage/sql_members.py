"""The store of roles in teams on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update

from leasehold_api.acting import By, Slice, Team
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.storage.conditional import insert_unless_there, rows_changed
from leasehold_api.storage.database import Database
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.sql_audit import record_in_team
from leasehold_api.storage.tables import memberships, users
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.people import Member, MemberList, MemberOrigin


class SqlMembers:
    """Implements ``leasehold_api.people.users.MemberStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, team: Team, part: Slice) -> MemberList:
        """Return the team's members by name; see the port."""
        # A part ends between users, never between two roles of one.
        names = (
            select(users.c.id)
            .where(users.c.name > (part.after or ""), users.c.id.in_(_ids_in(team)))
            .order_by(users.c.name)
            .limit(part.limit)
        )
        query = (
            select(users.c.name, users.c.locked_at, memberships.c.role, memberships.c.origin)
            .join(users, users.c.id == memberships.c.user_id)
            .where(memberships.c.team_id == team.id, users.c.id.in_(names))
            .order_by(users.c.name, memberships.c.origin)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        items = [
            Member(
                user=row.name, role=Role(row.role), origin=MemberOrigin(row.origin), locked=row.locked_at is not None
            )
            for row in rows
        ]
        return MemberList(items=items, next=next_of(part, list(dict.fromkeys(item.user for item in items))))

    async def put(self, team: Team, user: str, role: Role, *, by: By) -> Member:
        """Give somebody a role; see the port."""

        def operation(tx: Transaction) -> Member:
            found = tx.run(select(users.c.id, users.c.locked_at).where(users.c.name == user)).first()
            if found is None:
                raise NotFoundError(f"there is no user {user}; platform admins invite people: leasehold users invite")
            row = {"user_id": found.id, "team_id": team.id, "origin": MemberOrigin.GRANTED.value, "role": role.value}
            mine = _granted(team, found.id)
            before = tx.run(select(memberships.c.role).where(*mine)).scalar()
            if before != role:
                if not insert_unless_there(tx, memberships, row):
                    tx.run(update(memberships).where(*mine).values(role=role.value))
                record_in_team(tx, "member.set", user, team, by, {"role": role.value, "before": before})
            return Member(user=user, role=role, origin=MemberOrigin.GRANTED, locked=found.locked_at is not None)

        return await self._database.write(operation)

    async def remove(self, team: Team, user: str, *, by: By) -> None:
        """Take back a granted role; see the port."""

        def operation(tx: Transaction) -> None:
            user_id = tx.run(select(users.c.id).where(users.c.name == user, users.c.id.in_(_ids_in(team)))).scalar()
            if user_id is None:
                raise NotFoundError(f"{user} is no member of team {team.name}")
            if rows_changed(tx, delete(memberships).where(*_granted(team, user_id))) == 0:
                raise ConflictError(f"only the groups of {user} make them a member of {team.name}: change them there")
            record_in_team(tx, "member.removed", user, team, by)

        await self._database.write(operation)


def add_groups_role(tx: Transaction, *, user_id: str, team_id: str, role: Role) -> None:
    """Give somebody the role that their groups say."""
    row = {"user_id": user_id, "team_id": team_id, "origin": MemberOrigin.GROUPS.value, "role": role.value}
    tx.run(insert(memberships), row)


def groups_roles(tx: Transaction, user_id: str) -> dict[str, Role]:
    """Return the roles that somebody's groups gave, by team id."""
    mine = (memberships.c.user_id == user_id, memberships.c.origin == MemberOrigin.GROUPS.value)
    rows = tx.run(select(memberships.c.team_id, memberships.c.role).where(*mine))
    return {row.team_id: Role(row.role) for row in rows}


def forget_groups_roles(tx: Transaction, user_id: str) -> None:
    """Take back all roles that somebody's groups gave."""
    tx.run(
        delete(memberships).where(memberships.c.user_id == user_id, memberships.c.origin == MemberOrigin.GROUPS.value)
    )


def _ids_in(team: Team) -> Any:
    return select(memberships.c.user_id).where(memberships.c.team_id == team.id)


def _granted(team: Team, user_id: str) -> tuple[Any, ...]:
    return (
        memberships.c.user_id == user_id,
        memberships.c.team_id == team.id,
        memberships.c.origin == MemberOrigin.GRANTED.value,
    )
