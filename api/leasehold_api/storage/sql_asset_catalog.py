"""Assets as people see them, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from leasehold_api.acting import Slice
from leasehold_api.assets.asking import no_such_asset
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_asset_facts import EVENTS, event
from leasehold_api.storage.sql_assets import declarations, shown
from leasehold_api.storage.tables import asset_aliases, asset_events, assets
from leasehold_protocol.v1.assets import AssetDetail, AssetEvent

_LAST = (select(func.max(asset_events.c.at)).where(asset_events.c.asset_id == assets.c.id).scalar_subquery()).label(
    "last_event_at"
)
_ASSETS = select(assets, _LAST)


class SqlAssetCatalog:
    """Implements ``leasehold_api.assets.asking.AssetCatalog``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, team_id: str, name: str) -> AssetDetail:
        """Return an asset; see the port."""

        def query(connection: Connection) -> AssetDetail:
            rows = connection.execute(_ASSETS.where(assets.c.team_id == team_id, assets.c.name == name)).all()
            if not rows:
                raise no_such_asset(name)
            return _details(connection, team_id, rows)[0]

        return await self._database.read(query)

    async def events(self, team_id: str, asset: str | None, part: Slice) -> list[AssetEvent]:
        """Return events, newest first; see the port."""

        def query(connection: Connection) -> list[AssetEvent]:
            wanted = EVENTS.where(asset_events.c.team_id == team_id)
            if asset is not None:
                this = (assets.c.team_id == team_id) & (assets.c.name == asset)
                if connection.execute(select(assets.c.id).where(this)).first() is None:
                    raise no_such_asset(asset)
                wanted = wanted.where(this)
            if part.after is not None:
                wanted = wanted.where(asset_events.c.id < part.after)
            rows = connection.execute(wanted.order_by(asset_events.c.id.desc()).limit(part.limit)).all()
            return [event(row) for row in rows]

        return await self._database.read(query)

    async def list(self, team_id: str, part: Slice) -> list[AssetDetail]:
        """Return a team's assets; see the port."""
        wanted = _ASSETS.where(assets.c.team_id == team_id, assets.c.name > (part.after or ""))
        wanted = wanted.order_by(assets.c.name).limit(part.limit)
        return await self._database.read(lambda c: _details(c, team_id, c.execute(wanted).all()))


def _details(connection: Connection, team_id: str, rows: Sequence[Row[Any]]) -> list[AssetDetail]:
    known = declarations(connection, team_id, ((row.name, row.uri) for row in rows))
    declared_by: defaultdict[str, set[str]] = defaultdict(set)
    for each in known:
        declared_by[each.name].add(each.dag)
    aliases: defaultdict[str, list[str]] = defaultdict(list)
    stood_for = select(asset_aliases.c.asset_id, asset_aliases.c.alias).where(
        asset_aliases.c.asset_id.in_([row.id for row in rows])
    )
    for row in connection.execute(stood_for.order_by(asset_aliases.c.alias)).all():
        aliases[row.asset_id].append(row.alias)
    return [
        AssetDetail(
            **shown(row, known).model_dump(),
            first_seen=instant(row.first_seen_at),
            last_seen=instant(row.last_seen_at),
            declared_by=sorted(declared_by[row.name]),
            aliases=aliases[row.id],
            last_event=instant_or_none(row.last_event_at),
        )
        for row in rows
    ]
