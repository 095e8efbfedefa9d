"""Limits: how much may run at once, who holds what of it, and in which lines others wait for it."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, Table, Text, text

from leasehold_api.storage.tables.schema import metadata

limits = Table(
    "limits",
    metadata,
    Column("id", Text, primary_key=True),  # "pool <team> <name>", "dag <dag>", "run <run>", …
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),  # as people know it
    Column("run_id", Text),  # the run whose own it is
    Column("most", Integer, nullable=False),
    Column("used", Integer, nullable=False, server_default=text("0")),  # the sum of what is held of it
    Column("description", Text, nullable=False, server_default=text("''")),
    # Who set it; none: it follows from a DAG, or from a task that names a pool which is not there.
    Column("updated_at", Double),
    Column("updated_by", Text),
)
Index(None, limits.c.team_id, limits.c.kind, limits.c.name)
Index(None, limits.c.run_id)

# Task instances that need the same slots of the same limits wait in one line, however many they are: a line is moved,
# never those in it one by one.
lines = Table(
    "lines",
    metadata,
    Column("id", Text, primary_key=True),  # hash of its limits and slots
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("run_id", Text),  # the run whose own limits it leads through
    Column("stands_at", Text),  # the limit that had no room for its first
)
Index(None, lines.c.stands_at)
Index(None, lines.c.run_id)

line_limits = Table(
    "line_limits",
    metadata,
    Column("line_id", Text, ForeignKey("lines.id", ondelete="CASCADE"), primary_key=True),
    Column("limit_id", Text, ForeignKey("limits.id"), primary_key=True),
    Column("rank", Integer, nullable=False),  # narrow limits are looked at first
    Column("slots", Integer, nullable=False),
)
Index(None, line_limits.c.limit_id)

limit_holds = Table(
    "limit_holds",
    metadata,
    Column("task_instance_id", Text, primary_key=True),
    Column("limit_id", Text, ForeignKey("limits.id"), primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("since", Double, nullable=False),
)
Index(None, limit_holds.c.limit_id)
Index(None, limit_holds.c.run_id)
