"""The store of service clients on SQLite and PostgreSQL, as their team's admins see and set them."""

from __future__ import annotations

import json
from typing import Any

from joserfc.jwk import import_key
from sqlalchemy import Row, delete, select, update

from leasehold_api.acting import By, Slice, Team
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.fleet.service_clients import NewServiceClient
from leasehold_api.storage.conditional import insert_unless_there, rows_changed
from leasehold_api.storage.database import Database
from leasehold_api.storage.slices import next_of
from leasehold_api.storage.sql_audit import record_in_team
from leasehold_api.storage.tables import service_clients
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.fleet import Role
from leasehold_protocol.v1.problems import ProblemCode
from leasehold_protocol.v1.service_clients import ServiceClient, ServiceClientList


class SqlServiceClients:
    """Implements ``leasehold_api.fleet.service_clients.ServiceClientStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, team: Team, part: Slice) -> ServiceClientList:
        """Return the team's service clients, without secrets."""
        query = (
            select(service_clients)
            .where(service_clients.c.team_id == team.id, service_clients.c.id > (part.after or ""))
            .order_by(service_clients.c.id)
            .limit(part.limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        items = [_client(row, team) for row in rows]
        return ServiceClientList(items=items, next=next_of(part, [item.id for item in items]))

    async def create(self, team: Team, client: NewServiceClient, *, by: By) -> ServiceClient:
        """Add a service client; see the port."""

        def operation(tx: Transaction) -> ServiceClient:
            row = {
                "id": client.id,
                "team_id": team.id,
                "name": client.name,
                "role": client.role.value,
                "secret_sha256": client.secret_sha256,
                "public_jwk": None if client.public_jwk is None else json.dumps(client.public_jwk),
                "token_epoch": 0,
                "created_by": by.actor,
                "created_at": by.at,
                "expires_at": client.expires_at,
            }
            if not insert_unless_there(tx, service_clients, row):
                raise ConflictError(
                    f"team {team.name} has a service client {client.name} already", code=ProblemCode.ALREADY_EXISTS
                )
            record_in_team(
                tx, "service_client.created", client.id, team, by, {"name": client.name, "role": client.role.value}
            )
            return _read(tx, team, client.id)

        return await self._database.write(operation)

    async def lock(self, team: Team, client_id: str, *, because: str, by: By) -> ServiceClient:
        """Lock a service client and end its access tokens; see the port."""

        def operation(tx: Transaction) -> ServiceClient:
            found = _read(tx, team, client_id)
            values = {"locked_at": by.at, "locked_because": because, "token_epoch": service_clients.c.token_epoch + 1}
            if _changed(tx, found.id, values, service_clients.c.locked_at.is_(None)):
                record_in_team(
                    tx, "service_client.locked", found.id, team, by, {"name": found.name, "because": because}
                )
            return _read(tx, team, found.id)

        return await self._database.write(operation)

    async def unlock(self, team: Team, client_id: str, *, by: By) -> ServiceClient:
        """Let a service client in again; see the port."""

        def operation(tx: Transaction) -> ServiceClient:
            found = _read(tx, team, client_id)
            values = {"locked_at": None, "locked_because": None}
            if _changed(tx, found.id, values, service_clients.c.locked_at.is_not(None)):
                record_in_team(tx, "service_client.unlocked", found.id, team, by, {"name": found.name})
            return _read(tx, team, found.id)

        return await self._database.write(operation)

    async def rotate(self, team: Team, client_id: str, *, secret_sha256: str, by: By) -> ServiceClient:
        """Replace a service client's secret and end its access tokens; see the port."""

        def operation(tx: Transaction) -> ServiceClient:
            found = _read(tx, team, client_id)
            if not found.has_secret:
                raise ConflictError(f"service client {found.name} has a key, no secret: make a new one with a new key")
            epoch = service_clients.c.token_epoch + 1
            _changed(tx, found.id, {"secret_sha256": secret_sha256, "token_epoch": epoch})
            record_in_team(tx, "service_client.secret_rotated", found.id, team, by, {"name": found.name})
            return _read(tx, team, found.id)

        return await self._database.write(operation)

    async def remove(self, team: Team, client_id: str, *, by: By) -> None:
        """Remove a service client; see the port."""

        def operation(tx: Transaction) -> None:
            found = _read(tx, team, client_id)
            tx.run(delete(service_clients).where(service_clients.c.id == found.id))
            record_in_team(tx, "service_client.removed", found.id, team, by, {"name": found.name})

        await self._database.write(operation)


def _changed(tx: Transaction, client_id: str, values: dict[str, Any], *when: Any) -> bool:
    statement = update(service_clients).where(service_clients.c.id == client_id, *when).values(values)
    return rows_changed(tx, statement) == 1


def _read(tx: Transaction, team: Team, client: str) -> ServiceClient:
    """Return a client by its id or name."""
    this = (service_clients.c.id == client) | (service_clients.c.name == client)
    row = tx.run(select(service_clients).where(service_clients.c.team_id == team.id, this)).first()
    if row is None:
        raise NotFoundError(f"team {team.name} has no service client {client}")
    return _client(row, team)


def _client(row: Row[Any], team: Team) -> ServiceClient:
    return ServiceClient(
        id=row.id,
        name=row.name,
        team=team.name,
        role=Role(row.role),
        has_secret=row.secret_sha256 is not None,
        key_thumbprint=None if row.public_jwk is None else import_key(json.loads(row.public_jwk)).thumbprint(),
        created_by=row.created_by,
        created_at=instant(row.created_at),
        expires_at=instant_or_none(row.expires_at),
        last_used_at=instant_or_none(row.last_used_at),
        locked_because=None if row.locked_at is None else row.locked_because,
    )
