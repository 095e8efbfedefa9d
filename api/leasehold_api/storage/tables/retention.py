"""What was left over by runs that were deleted, and up to where runs that stay were thinned."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Table, Text

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

# Of every run of the DAG that ended up to there, logs (or XComs, or metrics) are deleted: nobody looks at those again.
thinned = Table(
    "thinned",
    metadata,
    Column("dag_id", Text, ForeignKey("dags.id", ondelete="CASCADE"), primary_key=True),
    Column("what", Text, primary_key=True),  # logs, xcoms, metrics
    Column("ended_at", Double, nullable=False),
    Column("run_id", Text, nullable=False),  # the last of those that ended at that moment
)
