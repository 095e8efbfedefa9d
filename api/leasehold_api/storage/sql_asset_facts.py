"""What tasks ask of assets, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Select, select

from leasehold_api.assets.asking import (
    EventsAsked,
    Named,
    asset_not_declared,
    readable_names,
    require_alias,
)
from leasehold_api.callers import TaskCaller
from leasehold_api.clock import instant
from leasehold_api.errors import LeaseLostError, NotFoundError
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_assets import all_shown
from leasehold_api.storage.sql_entitlement import lease_runs
from leasehold_api.storage.tables import asset_aliases, asset_events, assets
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.assets import Asset, AssetEvent, AssetEvents

T = TypeVar("T")

EVENTS = select(asset_events, assets.c.name.label("asset"), assets.c.uri).join(
    assets, assets.c.id == asset_events.c.asset_id
)


class SqlAssetFacts:
    """Implements ``leasehold_api.assets.asking.AssetFacts``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, reader: TaskCaller, asset: Named) -> Asset:
        """Return an asset; see the port."""

        def query(connection: Connection) -> Asset:
            return all_shown(connection, reader.team_id, [declared_asset(connection, reader, asset)])[0]

        return await self._fenced(reader, query)

    async def by_alias(self, reader: TaskCaller, alias: str) -> list[Asset]:
        """Return the assets that an alias has stood for; see the port."""

        def query(connection: Connection) -> list[Asset]:
            require_alias(reader, alias)
            stood_for = select(asset_aliases.c.asset_id).where(
                asset_aliases.c.team_id == reader.team_id, asset_aliases.c.alias == alias
            )
            rows = connection.execute(select(assets).where(assets.c.id.in_(stood_for)).order_by(assets.c.name)).all()
            return all_shown(connection, reader.team_id, rows)

        return await self._fenced(reader, query)

    async def events(self, reader: TaskCaller, asked: EventsAsked) -> AssetEvents:
        """Return events by time; see the port."""

        def query(connection: Connection) -> AssetEvents:
            wanted = _narrowed(_of(connection, reader, asked), asked)
            found = connection.execute(wanted.limit(asked.limit + 1)).all()
            return AssetEvents(events=[event(row) for row in found[: asked.limit]], more=len(found) > asked.limit)

        return await self._fenced(reader, query)

    async def _fenced(self, reader: TaskCaller, query: Callable[[Connection], T]) -> T:
        """Answer in the transaction that sees the reader's lease live: whoever lost it learns nothing else."""

        def fenced(connection: Connection) -> T:
            require_lease(Transaction(connection), reader)
            return query(connection)

        return await self._database.read(fenced)


def require_lease(tx: Transaction, reader: TaskCaller) -> None:
    """Let nobody in whose lease is over.

    Raises:
        LeaseLostError: if it is.
    """
    if not lease_runs(tx, reader):
        raise LeaseLostError("the lease of the task that asks is over; stop the attempt")


def declared_asset(connection: Connection, reader: TaskCaller, asset: Named) -> Row[Any]:
    """Return the row of an asset that the reader declared.

    Raises:
        ApiError: ``not_declared``.
        NotFoundError: if it is gone.
    """
    names = readable_names(reader.scopes)
    wanted = select(assets).where(assets.c.team_id == reader.team_id, assets.c.name.in_(names))
    if asset.name is not None:
        if asset.name not in names:
            raise asset_not_declared(reader, asset)
        row = connection.execute(wanted.where(assets.c.name == asset.name)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no asset {asset.name!r}: deploy the DAG that declares it")
        return row
    row = connection.execute(wanted.where(assets.c.uri == asset.uri).order_by(assets.c.first_seen_at)).first()
    if row is None:
        raise asset_not_declared(reader, asset)
    return row


def event(row: Row[Any]) -> AssetEvent:
    """Return the message for a row of ``EVENTS``."""
    return AssetEvent(
        event=row.id,
        asset=row.asset,
        uri=row.uri,
        alias=row.alias,
        at=instant(row.at),
        extra=json.loads(row.extra),
        dag=row.dag,
        run=row.run_id,
        task=row.task,
        map_index=row.map_index,
        try_number=row.try_number,
    )


def _of(connection: Connection, reader: TaskCaller, asked: EventsAsked) -> Select[Any]:
    if asked.alias is not None:
        require_alias(reader, asked.alias)
        return EVENTS.where(asset_events.c.team_id == reader.team_id, asset_events.c.alias == asked.alias)
    found = declared_asset(connection, reader, asked.asset or Named())
    return EVENTS.where(asset_events.c.asset_id == found.id)


def _narrowed(wanted: Select[Any], asked: EventsAsked) -> Select[Any]:
    if asked.after is not None:
        wanted = wanted.where(asset_events.c.at >= asked.after)
    if asked.before is not None:
        wanted = wanted.where(asset_events.c.at <= asked.before)
    return wanted.order_by(asset_events.c.id if asked.ascending else asset_events.c.id.desc())
