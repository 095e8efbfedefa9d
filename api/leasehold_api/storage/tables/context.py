"""What tasks may be given."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint

from leasehold_api.storage.tables.schema import metadata

connections = Table(
    "connections",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("conn_type", Text, nullable=False),
    Column("public", Text, nullable=False),  # JSON: what a list may show
    Column("sealed", LargeBinary, nullable=False),  # all fields
    Column("updated_at", Double, nullable=False),
    Column("updated_by", Text, nullable=False),
    UniqueConstraint("team_id", "name"),
)

connection_grants = Table(
    "connection_grants",
    metadata,
    Column("connection_id", Text, ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
    Column("site_id", Text, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
)
Index(None, connection_grants.c.site_id)

variables = Table(
    "variables",
    metadata,
    Column("team_id", Text, ForeignKey("teams.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("description", Text),  # what it is for
    Column("updated_at", Double, nullable=False),
    Column("updated_by", Text, nullable=False),
)
