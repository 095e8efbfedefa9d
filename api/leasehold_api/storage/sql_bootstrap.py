"""The first team and the first API token, on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.tables import api_tokens, teams
from leasehold_api.storage.writer import Transaction

_PLATFORM_TOKENS = select(func.count()).select_from(api_tokens).where(api_tokens.c.team_id.is_(None))


class SqlBootstrap:
    """Implements ``leasehold_api.fleet.bootstrap.BootstrapStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_new(self) -> bool:
        """Say whether no platform admin's token was ever made."""
        return await self._database.read(_is_new)

    async def begin(self, token: OpaqueToken, *, team: str, team_id: str, now: float) -> bool:
        """Make the first team and the first token; see the port."""

        def operation(tx: Transaction) -> bool:
            if not _is_new(tx.connection):
                return False
            insert_unless_there(tx, teams, {"id": team_id, "name": team, "created_at": now})
            row = {
                "id": token.id,
                "name": "bootstrap",
                "role": "admin",
                "secret_sha256": token.sha256,
                "created_by": "leasehold",
                "created_at": now,
            }
            tx.run(insert(api_tokens), row)
            sql_audit.record(tx, at=now, actor="leasehold", action="api_token.issued", object=token.id)
            return True

        return await self._database.write(operation)


def _is_new(connection: Connection) -> bool:
    return not connection.execute(_PLATFORM_TOKENS).scalar_one()
