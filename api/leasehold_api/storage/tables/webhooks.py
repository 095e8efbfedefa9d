"""Webhooks that wait to be sent, and those that were."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, Table, Text, text

from leasehold_api.storage.tables.schema import metadata

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("run_id", Text, nullable=False),  # which may be deleted before it
    Column("dag", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("payload", Text, nullable=False),  # JSON, as it is sent
    Column("state", Text, nullable=False),  # waiting, delivered, dead
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double),
    Column("settled_at", Double),
    Column("error", Text),
)
Index(None, webhooks.c.team_id, webhooks.c.id)
_WAITING = text("state = 'waiting'")
Index("ix_webhooks_due", webhooks.c.due_at, sqlite_where=_WAITING, postgresql_where=_WAITING)
_SETTLED = text("settled_at IS NOT NULL")
Index("ix_webhooks_settled", webhooks.c.settled_at, sqlite_where=_SETTLED, postgresql_where=_SETTLED)
