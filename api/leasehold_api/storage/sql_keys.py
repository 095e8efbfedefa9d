"""The signing keys' store on SQLite and PostgreSQL."""

from __future__ import annotations

from sqlalchemy import select, update

from leasehold_api.oauth.tokens.keys import KeyState, StoredKey
from leasehold_api.storage import sql_audit
from leasehold_api.storage.conditional import insert_unless_there
from leasehold_api.storage.database import Database
from leasehold_api.storage.tables import signing_keys
from leasehold_api.storage.writer import Transaction


class SqlSigningKeys:
    """Implements ``leasehold_api.oauth.tokens.keys.SigningKeyStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: StoredKey) -> None:
        """Keep a key, unless another process was first; see the port."""

        def operation(tx: Transaction) -> None:
            row = {
                "kid": key.kid,
                "state": key.state.value,
                "public_jwk": key.public_jwk,
                "sealed_private_jwk": key.sealed_private_jwk,
                "created_at": key.created_at,
                "activated_at": key.created_at if key.state is KeyState.ACTIVE else None,
            }
            # The unique index on the states next and active decides between processes that start at the same moment.
            if insert_unless_there(tx, signing_keys, row):
                sql_audit.record(
                    tx,
                    at=key.created_at,
                    actor="leasehold",
                    action="signing_key.made",
                    object=key.kid,
                    result=key.state,
                )

        await self._database.write(operation)

    async def all(self) -> list[StoredKey]:
        """Return every key, oldest first."""
        rows = await self._database.read(
            lambda connection: connection.execute(select(signing_keys).order_by(signing_keys.c.created_at)).all()
        )
        return [
            StoredKey(
                kid=row.kid,
                state=KeyState(row.state),
                public_jwk=row.public_jwk,
                sealed_private_jwk=row.sealed_private_jwk,
                created_at=row.created_at,
                retired_at=row.retired_at,
            )
            for row in rows
        ]

    async def promote(self, kid: str, *, now: float) -> None:
        """Make the key active and retire the one that was; see the port."""

        def operation(tx: Transaction) -> None:
            state = signing_keys.c.state
            still_next = select(signing_keys.c.kid).where(signing_keys.c.kid == kid, state == KeyState.NEXT.value)
            if tx.run(still_next.with_for_update()).first() is None:
                return
            tx.run(
                update(signing_keys)
                .where(state == KeyState.ACTIVE.value)
                .values(state=KeyState.RETIRED.value, retired_at=now)
            )
            tx.run(
                update(signing_keys)
                .where(signing_keys.c.kid == kid)
                .values(state=KeyState.ACTIVE.value, activated_at=now)
            )
            sql_audit.record(tx, at=now, actor="leasehold", action="signing_key.activated", object=kid)

        await self._database.write(operation)
