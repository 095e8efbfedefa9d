"""When DAGs run by themselves: schedules, asset events that wait to begin a run, and backfills."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, Table, Text, text

from leasehold_api.storage.tables.schema import metadata

# One row for each DAG, with or without a schedule: whether it is paused is here as well.
schedules = Table(
    "schedules",
    metadata,
    Column("dag_id", Text, ForeignKey("dags.id", ondelete="CASCADE"), primary_key=True),
    Column("team_id", Text, nullable=False),
    Column("schedule", Text),  # JSON of the newest version; none: it has none
    Column("max_active_runs", Integer),
    Column("anchor_at", Double, nullable=False),  # intervals are counted from here
    Column("next_at", Double),  # the next logical date
    Column("assets_at", Double),  # since when its assets are all there, where it goes by time, too
    Column("due_at", Double),  # when to look; none: paused, held up by max_active_runs, or nothing comes
    Column("last_at", Double),  # the last logical date
    Column("waits", Text),  # why nothing is begun
    Column("paused_at", Double),
    Column("paused_by", Text),
    Column("paused_note", Text),
)
_DUE = text("due_at IS NOT NULL")
Index("ix_schedules_due", schedules.c.due_at, sqlite_where=_DUE, postgresql_where=_DUE)

# Which assets and aliases the newest versions are scheduled on.
asset_watchers = Table(
    "asset_watchers",
    metadata,
    Column("dag_id", Text, ForeignKey("dags.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),  # asset, alias
    Column("name", Text, primary_key=True),
    Column("team_id", Text, nullable=False),
)
Index(None, asset_watchers.c.team_id, asset_watchers.c.kind, asset_watchers.c.name)

# Asset events that no run of the DAG was begun by yet.
asset_arrivals = Table(
    "asset_arrivals",
    metadata,
    Column("dag_id", Text, ForeignKey("dags.id", ondelete="CASCADE"), primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("alias", Text),
)

run_asset_events = Table(
    "run_asset_events",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("event_id", Text, primary_key=True),
)

backfills = Table(
    "backfills",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time
    Column("team_id", Text, nullable=False),
    Column("dag_id", Text, ForeignKey("dags.id", ondelete="CASCADE"), nullable=False),
    Column("from_at", Double, nullable=False),
    Column("to_at", Double, nullable=False),
    Column("reprocess", Text, nullable=False),
    Column("max_active", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("dates", Text, nullable=False),  # JSON: the logical dates to run, oldest first
    Column("begun", Integer, nullable=False),  # how many of them have their run
    Column("due_at", Double),  # when to begin more
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("ended_at", Double),
)
Index(None, backfills.c.team_id, backfills.c.id)
Index("ix_backfills_due", backfills.c.due_at, sqlite_where=_DUE, postgresql_where=_DUE)
