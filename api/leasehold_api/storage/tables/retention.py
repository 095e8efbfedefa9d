"""What was left over by runs that were deleted."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Table, Text

from leasehold_api.storage.tables.schema import metadata

# Blobs that something deleted had named. They go when nothing names them, a good while later.
unneeded_blobs = Table(
    "unneeded_blobs",
    metadata,
    Column("team_id", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("since", Double, nullable=False),
)
Index(None, unneeded_blobs.c.since)
