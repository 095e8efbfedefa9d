"""Assets: which there are, who declares them now, what happened to them, and what tasks keep with them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from leasehold_api.storage.tables.schema import metadata

assets = Table(
    "assets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("asset_group", Text, nullable=False),
    Column("extra", Text, nullable=False),  # JSON
    Column("first_seen_at", Double, nullable=False),
    Column("last_seen_at", Double, nullable=False),
    UniqueConstraint("team_id", "name"),
)

# What the current version of each DAG declares: an asset is active while somebody does.
asset_declarations = Table(
    "asset_declarations",
    metadata,
    Column("dag_id", Text, ForeignKey("dags.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("team_id", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("since", Double, nullable=False),
)
Index(None, asset_declarations.c.team_id, asset_declarations.c.name)
Index(None, asset_declarations.c.team_id, asset_declarations.c.uri)

asset_aliases = Table(
    "asset_aliases",
    metadata,
    Column("team_id", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("asset_id", Text, ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True),
    Column("since", Double, nullable=False),
)
Index(None, asset_aliases.c.asset_id)

asset_events = Table(
    "asset_events",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time
    Column("team_id", Text, nullable=False),
    Column("asset_id", Text, ForeignKey("assets.id", ondelete="CASCADE"), nullable=False),
    Column("alias", Text),
    Column("at", Double, nullable=False),
    Column("extra", Text, nullable=False),  # JSON
    # Where it came from.
    Column("dag", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("try_number", Integer, nullable=False),
)
Index(None, asset_events.c.asset_id, asset_events.c.id)
Index(None, asset_events.c.team_id, asset_events.c.id)
Index(None, asset_events.c.team_id, asset_events.c.alias, asset_events.c.id)

asset_state = Table(
    "asset_state",
    metadata,
    Column("asset_id", Text, ForeignKey("assets.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
    Column("size", BigInteger, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("updated_by", Text, nullable=False),  # an attempt
)
