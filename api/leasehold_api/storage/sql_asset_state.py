"""What tasks keep with an asset, on SQLite and PostgreSQL."""

from __future__ import annotations

import json

from sqlalchemy import Connection, select, text

from leasehold_api.assets.asking import MOST_STATE_KEYS, STATE_VALUE_BYTES, Named, require_writable
from leasehold_api.callers import TaskCaller
from leasehold_api.errors import InvalidRequestError, NotFoundError
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_asset_facts import declared_asset, require_lease
from leasehold_api.storage.tables import asset_state
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.message import Json

# The asset's row is locked first: two tasks that write at once count each other's keys.
_LOCK = text("UPDATE assets SET last_seen_at = last_seen_at WHERE id = :id")
_PUT = text("""
    INSERT INTO asset_state (asset_id, key, value, size, updated_at, updated_by)
    VALUES (:id, :key, :value, :size, :now, :by)
    ON CONFLICT (asset_id, key) DO UPDATE
       SET value = excluded.value, size = excluded.size, updated_at = excluded.updated_at,
           updated_by = excluded.updated_by
""")
_REMOVE = text("DELETE FROM asset_state WHERE asset_id = :id AND key = :key")
_CLEAR = text("DELETE FROM asset_state WHERE asset_id = :id")
_COUNT = text("SELECT count(*) FROM asset_state WHERE asset_id = :id")


class SqlAssetState:
    """Implements ``leasehold_api.assets.asking.AssetStateStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, reader: TaskCaller, asset: Named, key: str) -> Json:
        """Return a value; see the port."""

        def query(connection: Connection) -> Json:
            require_lease(Transaction(connection), reader)
            found = declared_asset(connection, reader, asset)
            wanted = select(asset_state.c.value).where(asset_state.c.asset_id == found.id, asset_state.c.key == key)
            value = connection.execute(wanted).scalar_one_or_none()
            if value is None:
                raise NotFoundError(f"nothing is kept under {key!r} with the asset {found.name!r}")
            return json.loads(value)

        return await self._database.read(query)

    async def keys(self, reader: TaskCaller, asset: Named, prefix: str) -> list[str]:
        """Return the keys that begin so; see the port."""

        def query(connection: Connection) -> list[str]:
            require_lease(Transaction(connection), reader)
            found = declared_asset(connection, reader, asset)
            keys = connection.execute(select(asset_state.c.key).where(asset_state.c.asset_id == found.id)).scalars()
            return sorted(key for key in keys if key.startswith(prefix))

        return await self._database.read(query)

    async def put(self, writer: TaskCaller, asset: Named, key: str, value: Json, *, now: float) -> None:
        """Keep a value; see the port."""
        encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        size = len(encoded.encode())
        if size > STATE_VALUE_BYTES:
            raise InvalidRequestError(
                f"{key}: {size} bytes are too many for an asset's state (64 KiB): keep less, or put it into a store "
                "and keep its place"
            )

        def operation(tx: Transaction) -> None:
            asset_id = _written(tx, writer, asset)
            row = {"id": asset_id, "key": key, "value": encoded, "size": size, "now": now, "by": writer.attempt}
            tx.run(_PUT, row)
            if tx.run(_COUNT, {"id": asset_id}).scalar_one() > MOST_STATE_KEYS:
                raise InvalidRequestError(f"an asset keeps {MOST_STATE_KEYS} keys at most: remove some first")

        await self._database.write(operation)

    async def remove(self, writer: TaskCaller, asset: Named, key: str | None) -> None:
        """Let go of a key, or of all; see the port."""

        def operation(tx: Transaction) -> None:
            asset_id = _written(tx, writer, asset)
            if key is None:
                tx.run(_CLEAR, {"id": asset_id})
            else:
                tx.run(_REMOVE, {"id": asset_id, "key": key})

        await self._database.write(operation)


def _written(tx: Transaction, writer: TaskCaller, asset: Named) -> str:
    """Return the id of an outlet, in the transaction that sees the writer's lease live."""
    require_lease(tx, writer)
    found = declared_asset(tx.connection, writer, asset)
    require_writable(writer, found.name)
    tx.run(_LOCK, {"id": found.id})
    return str(found.id)
