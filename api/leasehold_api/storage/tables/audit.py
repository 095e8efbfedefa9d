"""Who did what."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Table, Text

from leasehold_api.storage.tables.schema import metadata

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time
    Column("at", Double, nullable=False),
    Column("team_id", Text),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("address", Text),
    Column("detail", Text),  # JSON
    # The chain; none until the sealer has been there. What is sealed can't be changed or removed (triggers).
    Column("seq", BigInteger),
    Column("previous_hash", Text),
    Column("hash", Text),
)
Index(None, audit.c.at)
Index(None, audit.c.seq, unique=True)
Index(None, audit.c.team_id, audit.c.seq)
_UNSEALED = audit.c.seq.is_(None)
Index("ix_audit_unsealed", audit.c.id, sqlite_where=_UNSEALED, postgresql_where=_UNSEALED)
