"""The stores of connections on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Executable, Row, delete, exists, insert, select, update

from leasehold_api.acting import By, Slice, Team
from leasehold_api.callers import TaskCaller
from leasehold_api.context.entitlement import Facts, Verdict, judge
from leasehold_api.context.store import Answered, SealedConnection
from leasehold_api.errors import InvalidRequestError, NotFoundError
from leasehold_api.storage import sql_entitlement
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_audit import record_in_team
from leasehold_api.storage.sql_fleet import rematch_site
from leasehold_api.storage.tables import connection_grants, connections, sites
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.problems import FieldError


class SqlConnections:
    """Implements ``leasehold_api.context.store.ConnectionStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, team: Team, part: Slice) -> list[SealedConnection]:
        """Return the team's connections by name."""
        query = (
            select(connections)
            .where(connections.c.team_id == team.id, connections.c.name > (part.after or ""))
            .order_by(connections.c.name)
            .limit(part.limit)
        )
        return await self._database.read(
            lambda connection: _with_sites(connection, list(connection.execute(query).all()))
        )

    async def get(self, team: Team, name: str) -> SealedConnection:
        """Return a connection; see the port."""
        query = select(connections).where(connections.c.team_id == team.id, connections.c.name == name)
        found = await self._database.read(
            lambda connection: _with_sites(connection, list(connection.execute(query).all()))
        )
        if not found:
            raise _no_such(team, name)
        return found[0]

    async def put(self, team: Team, connection: SealedConnection, *, connection_id: str, by: By) -> bool:
        """Make a connection or change it; see the port."""
        values = {
            "conn_type": connection.conn_type,
            "public": connection.public,
            "sealed": connection.sealed,
            "updated_at": by.at,
            "updated_by": by.actor,
        }

        def operation(tx: Transaction) -> bool:
            granted = _site_ids(tx, team, connection.sites)
            row = {"id": connection_id, "team_id": team.id, "name": connection.name, **values}
            is_new = insert_unless_there(tx, connections, row)
            known = _id_of(tx, team, connection.name)
            if not is_new:
                tx.run(update(connections).where(connections.c.id == known).values(values))
            _grant(tx, known, granted)
            action = "connection.created" if is_new else "connection.changed"
            record_in_team(tx, action, connection.name, team, by, {"sites": connection.sites})
            return is_new

        return await self._database.write(operation)

    async def delete(self, team: Team, name: str, *, by: By) -> None:
        """Remove a connection; see the port."""

        def operation(tx: Transaction) -> None:
            known = _id_of(tx, team, name)
            _grant(tx, known, set())
            tx.run(delete(connections).where(connections.c.id == known))
            record_in_team(tx, "connection.deleted", name, team, by)

        await self._database.write(operation)

    async def read_for_task(self, reader: TaskCaller, name: str, *, now: float) -> Answered:
        """Judge and answer a task's request; see the port."""

        def operation(tx: Transaction) -> Answered:
            row = tx.run(_granted_connection(reader, name)).first()
            in_scope = f"connection:{name}:read" in reader.scopes
            entry = None if in_scope else sql_entitlement.declaration(tx, reader)
            verdict = judge(
                Facts(
                    lease_runs=sql_entitlement.lease_runs(tx, reader),
                    in_scope=in_scope,
                    declared=in_scope or (entry is not None and name in entry.needs.connections),
                    exists=row is not None,
                    granted=row is not None and bool(row.granted),
                )
            )
            sql_entitlement.record(tx, reader, action="connection.read", name=name, verdict=verdict, now=now)
            if row is None or verdict is not Verdict.GIVEN:
                return Answered(verdict=verdict)
            return Answered(verdict=verdict, sealed=row.sealed)

        return await self._database.write(operation)


def _granted_connection(reader: TaskCaller, name: str) -> Executable:
    granted = exists().where(
        connection_grants.c.connection_id == connections.c.id, connection_grants.c.site_id == reader.site_id
    )
    return select(connections.c.sealed, granted.label("granted")).where(
        connections.c.team_id == reader.team_id, connections.c.name == name
    )


def _with_sites(connection: Connection, rows: list[Row[Any]]) -> list[SealedConnection]:
    granted: dict[str, list[str]] = {row.id: [] for row in rows}
    if rows:
        query = (
            select(connection_grants.c.connection_id, sites.c.name)
            .join(sites, sites.c.id == connection_grants.c.site_id)
            .where(connection_grants.c.connection_id.in_(list(granted)))
            .order_by(sites.c.name)
        )
        for grant in connection.execute(query):
            granted[grant.connection_id].append(grant.name)
    return [
        SealedConnection(
            name=row.name,
            conn_type=row.conn_type,
            public=row.public,
            sealed=row.sealed,
            sites=granted[row.id],
            updated_at=row.updated_at,
            updated_by=row.updated_by,
        )
        for row in rows
    ]


def _site_ids(tx: Transaction, team: Team, names: list[str]) -> set[str]:
    rows = tx.run(select(sites.c.id, sites.c.name).where(sites.c.team_id == team.id, sites.c.name.in_(names))).all()
    if unknown := sorted(set(names) - {row.name for row in rows}):
        message = f"team {team.name} has no site {unknown[0]}: create it first, or correct the name"
        raise InvalidRequestError(message, errors=[FieldError(field="sites", message=message)])
    return {row.id for row in rows}


def _id_of(tx: Transaction, team: Team, name: str) -> str:
    query = select(connections.c.id).where(connections.c.team_id == team.id, connections.c.name == name)
    found = tx.run(query).scalar()
    if found is None:
        raise _no_such(team, name)
    return str(found)


def _grant(tx: Transaction, connection_id: str, site_ids: set[str]) -> None:
    """Grant the connection to these sites and no others, and match what changed."""
    mine = connection_grants.c.connection_id == connection_id
    before = set(tx.run(select(connection_grants.c.site_id).where(mine)).scalars())
    if gone := before - site_ids:
        tx.run(delete(connection_grants).where(mine, connection_grants.c.site_id.in_(sorted(gone))))
    if added := site_ids - before:
        rows = [{"connection_id": connection_id, "site_id": site_id} for site_id in sorted(added)]
        tx.run(insert(connection_grants), rows)
    for site_id in sorted(before ^ site_ids):
        rematch_site(tx, site_id)


def _no_such(team: Team, name: str) -> NotFoundError:
    return NotFoundError(f"team {team.name} has no connection {name}")
