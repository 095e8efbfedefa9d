"""The pools' store on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, text

from leasehold_api.acting import By, Slice, Team
from leasehold_api.clock import instant
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.runs.limits import pool_limit
from leasehold_api.storage.database import Database
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.sql_admission import admit_at, hold_still
from leasehold_api.storage.sql_audit import record_in_team
from leasehold_api.storage.sql_ceilings import wake_team
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.limits import Pool, PoolList, PoolWrite
from leasehold_protocol.v1.manifest import DEFAULT_POOL

# A pool that is named and was never set is no pool yet.
_POOLS = """
    SELECT l.*, (SELECT count(*) FROM lines n JOIN task_instances t ON t.blocked_on = n.id AND t.state = 'queued'
                  WHERE n.stands_at = l.id AND t.blocked_on IS NOT NULL) AS waiting
      FROM limits l WHERE l.team_id = :team AND l.kind = 'pool' AND l.updated_at IS NOT NULL AND {which}
"""
_LIST = text(_POOLS.format(which="l.name > :after ORDER BY l.name LIMIT :limit"))
_GET = text(_POOLS.format(which="l.name = :name"))
_SET_BEFORE = text("SELECT updated_at FROM limits WHERE id = :id")
_PUT = text("""
    INSERT INTO limits (id, team_id, kind, name, most, description, updated_at, updated_by)
    VALUES (:id, :team, 'pool', :name, :slots, :description, :at, :by)
        ON CONFLICT (id) DO UPDATE
        SET most = :slots, description = :description, updated_at = :at, updated_by = :by
""")
# Lines still lead through it, and its next task instance would wait for it to be set again.
_DELETE = text("UPDATE limits SET most = 0, description = '', updated_at = NULL, updated_by = NULL WHERE id = :id")

_SET_CEILING = text("UPDATE teams SET max_running = :most WHERE name = :name RETURNING id")


class SqlPools:
    """Implements ``leasehold_api.runs.pools.PoolStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, team: Team, part: Slice) -> PoolList:
        """Return the pools by name; see the port."""
        which = {"team": team.id, "after": part.after or "", "limit": part.limit}
        rows = await self._database.read(lambda connection: connection.execute(_LIST, which).all())
        items = [_pool(row, team) for row in rows]
        return PoolList(items=items, next=next_of(part, [item.name for item in items]))

    async def get(self, team: Team, name: str) -> Pool:
        """Return a pool; see the port."""
        return await self._database.read(lambda connection: _get(connection, team, name))

    async def put(self, team: Team, name: str, write: PoolWrite, *, by: By) -> tuple[Pool, bool]:
        """Make a pool or change it; see the port."""
        if name == DEFAULT_POOL:
            raise ConflictError(
                f"{DEFAULT_POOL} is for tasks that name no pool, and has no limit: make a pool of another name, or "
                "limit the team (leasehold teams limit)"
            )
        limit = pool_limit(team.id, name).id

        def operation(tx: Transaction) -> tuple[Pool, bool]:
            hold_still(tx, team.id)
            is_new = tx.run(_SET_BEFORE, {"id": limit}).scalar() is None
            row = {"id": limit, "team": team.id, "name": name, "at": by.at, "by": by.actor}
            tx.run(_PUT, row | {"slots": write.slots, "description": write.description})
            admit_at(tx, limit, now=by.at)
            action = "pool.created" if is_new else "pool.changed"
            record_in_team(tx, action, name, team, by, {"slots": write.slots, "description": write.description})
            return _get(tx.connection, team, name), is_new

        return await self._database.write(operation)

    async def delete(self, team: Team, name: str, *, by: By) -> None:
        """Remove a pool; see the port."""

        def operation(tx: Transaction) -> None:
            hold_still(tx, team.id)
            known = _get(tx.connection, team, name)
            if known.used or known.waiting:
                raise ConflictError(
                    f"pool {name} is in use: {known.used} of its slots are taken, and {known.waiting} task instances "
                    f"wait for some; let them end, or cancel their runs"
                )
            tx.run(_DELETE, {"id": pool_limit(team.id, name).id})
            record_in_team(tx, "pool.deleted", name, team, by)

        await self._database.write(operation)


class SqlCeilings:
    """Implements ``leasehold_api.runs.pools.CeilingStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, team: str, max_running: int | None, *, by: By) -> None:
        """Set the ceiling of a team; see the port."""

        def operation(tx: Transaction) -> None:
            team_id = tx.run(_SET_CEILING, {"most": max_running, "name": team}).scalar_one_or_none()
            if team_id is None:
                raise NotFoundError(f"there is no team {team}")
            wake_team(tx, team_id)
            where = Team(id=team_id, name=team)
            record_in_team(tx, "team.limited", team, where, by, {"max_running": max_running})

        await self._database.write(operation)


def _get(connection: Connection, team: Team, name: str) -> Pool:
    row = connection.execute(_GET, {"team": team.id, "name": name}).one_or_none()
    if row is None:
        raise NotFoundError(f"team {team.name} has no pool {name}; make it: leasehold pools set {name} --slots NUMBER")
    return _pool(row, team)


def _pool(row: Row[Any], team: Team) -> Pool:
    return Pool(
        name=row.name,
        team=team.name,
        slots=row.most,
        description=row.description,
        used=row.used,
        waiting=row.waiting,
        updated_at=instant(row.updated_at),
        updated_by=row.updated_by,
    )
