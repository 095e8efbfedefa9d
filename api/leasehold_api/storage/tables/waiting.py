"""What task instances wait for without a slot, the events that were sent, and what tasks keep across their tries."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Table, Text, UniqueConstraint, text

from leasehold_api.storage.tables.schema import metadata

waits = Table(
    "waits",
    metadata,
    Column("id", Text, primary_key=True),  # of the attempt that began to wait; sorts by time
    Column("task_instance_id", Text, ForeignKey("task_instances.id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False),
    Column("team_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text),  # the run or the event
    Column("wait", Text, nullable=False),  # as the task said it, JSON
    Column("state", Text, nullable=False),  # open, closed, or its verdict
    Column("value", Text),  # JSON
    Column("message", Text),
    Column("began_at", Double, nullable=False),
    Column("until", Double),
    Column("settled_at", Double),
    Column("settled_by", Text),
    UniqueConstraint("task_instance_id", "key"),
)
_OPEN = text("state = 'open'")
Index("ix_waits_subject", waits.c.kind, waits.c.subject, sqlite_where=_OPEN, postgresql_where=_OPEN)
_ASKED = text("kind = 'question'")
Index("ix_waits_asked", waits.c.team_id, waits.c.id, sqlite_where=_ASKED, postgresql_where=_ASKED)
Index(None, waits.c.run_id)

# Kept as long as a deferral may be on its way; what waits for one is looked up here when it arrives.
events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),  # JSON
    Column("sent_at", Double, nullable=False),
    Column("sent_by", Text, nullable=False),
)
Index(None, events.c.team_id, events.c.name, events.c.sent_at)
Index(None, events.c.sent_at)

task_state = Table(
    "task_state",
    metadata,
    Column("task_instance_id", Text, ForeignKey("task_instances.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
    Column("size", BigInteger, nullable=False),
    Column("expires_at", Double),
    Column("updated_at", Double, nullable=False),
)
