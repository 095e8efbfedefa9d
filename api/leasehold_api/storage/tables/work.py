"""What is to be done, and what came of it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from leasehold_api.storage.tables.schema import metadata

bundles = Table(
    "bundles",
    metadata,
    Column("team_id", Text, ForeignKey("teams.id"), primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
)

dags = Table(
    "dags",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("retention_days", Double),  # as its newest version says
    UniqueConstraint("team_id", "name"),
)

dag_versions = Table(
    "dag_versions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("dag_id", Text, ForeignKey("dags.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("signature", Text),  # a JWS over the manifest, when its author signed it
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    UniqueConstraint("dag_id", "version"),
)

placements = Table(
    "placements",
    metadata,
    Column("id", Text, primary_key=True),  # hash of team and needs
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("needs", Text, nullable=False),  # canonical JSON
    Column("site_id", Text),  # the one site that may offer it; none: any
)
Index(None, placements.c.team_id)

# Which sites offer what a placement needs: computed when either side changes, so that a claim is an index walk.
site_placements = Table(
    "site_placements",
    metadata,
    Column("site_id", Text, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("placement_id", Text, ForeignKey("placements.id", ondelete="CASCADE"), primary_key=True),
)
Index(None, site_placements.c.placement_id)

# Agents that can't run what their site offers, because another machine of it does: few, and mostly none.
agent_lacks = Table(
    "agent_lacks",
    metadata,
    Column("agent_id", Text, ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True),
    Column("placement_id", Text, ForeignKey("placements.id", ondelete="CASCADE"), primary_key=True),
)
Index(None, agent_lacks.c.placement_id)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),  # sorts by time
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("dag_id", Text, ForeignKey("dags.id"), nullable=False),
    Column("dag_version_id", Text, ForeignKey("dag_versions.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("logical_date", Double, nullable=False),
    Column("idempotency_key", Text),
    Column("open_tasks", Integer, nullable=False),  # task instances not in a final state
    Column("cancel_reason", Text),
    # The task instance that started it, and how many runs started one another before it.
    Column("caused_by", Text),
    Column("depth", Integer, nullable=False, server_default=text("0")),
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("deleted_at", Double),  # what it left is being deleted; nobody sees it any more
    # What its task instances had left by then is deleted; what they leave when they run again is not.
    Column("xcoms_deleted_at", Double),
    Column("metrics_deleted_at", Double),
    Column("data_interval_start", Double),
    Column("data_interval_end", Double),
    Column("backfill_id", Text),
    UniqueConstraint("dag_id", "idempotency_key"),
)
_OPEN = text("state IN ('queued', 'running')")
Index("ix_runs_open", runs.c.dag_id, runs.c.state, runs.c.id, sqlite_where=_OPEN, postgresql_where=_OPEN)
_BACKFILLED = text("backfill_id IS NOT NULL")
Index("ix_runs_backfill", runs.c.backfill_id, runs.c.state, sqlite_where=_BACKFILLED, postgresql_where=_BACKFILLED)
Index(None, runs.c.team_id, runs.c.id)
Index(None, runs.c.dag_id, runs.c.logical_date, runs.c.id)  # which run was before which
_ENDED = text("ended_at IS NOT NULL")
Index("ix_runs_retention", runs.c.dag_id, runs.c.ended_at, sqlite_where=_ENDED, postgresql_where=_ENDED)
_DELETED = text("deleted_at IS NOT NULL")
Index("ix_runs_deleted", runs.c.deleted_at, sqlite_where=_DELETED, postgresql_where=_DELETED)

task_instances = Table(
    "task_instances",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False),
    Column("dag_version_id", Text, nullable=False),
    Column("team_id", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("position", Integer, nullable=False),  # in the manifest
    Column("map_index", Integer, nullable=False, server_default=text("-1")),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("priority", Integer, nullable=False),
    Column("placement_id", Text, ForeignKey("placements.id"), nullable=False),
    # The line in which it waits for what limits it, and the same while it stands there: queued, and not for agents yet.
    Column("line_id", Text),
    Column("blocked_on", Text),
    # While one site comes first, it has a placement that only this site offers: until when, and the one of all sites.
    Column("usual_placement_id", Text),
    Column("spread_at", Double),
    Column("queue_timeout_s", Double),  # how long it may be queued; `due_at` says until when
    # Upstream task instances: how many have not ended, succeeded, ended without success, never ran because of
    # something before them (they count as failures too), were skipped.
    Column("waits_for", Integer, nullable=False),
    Column("upstream_successes", Integer, nullable=False, server_default=text("0")),
    Column("upstream_failures", Integer, nullable=False, server_default=text("0")),
    Column("upstream_unreached", Integer, nullable=False, server_default=text("0")),
    Column("upstream_skips", Integer, nullable=False, server_default=text("0")),
    Column("skipped_by", Text),  # the task that skipped it: a branch, a short circuit
    # The lease, when it is running; the epoch fences every write of an attempt.
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("agent_id", Text),
    Column("site_id", Text),
    Column("lease_length_s", Double, nullable=False),
    Column("expires_at", Double),
    Column("cancel_reason", Text),
    Column("tries", Integer, nullable=False, server_default=text("0")),  # of the task's own
    Column("tries_forgiven", Integer, nullable=False, server_default=text("0")),  # of those: before a person's retry
    Column("losses", Integer, nullable=False, server_default=text("0")),  # infrastructure failures
    Column("rescheduled", Integer, nullable=False, server_default=text("0")),
    Column("resumed", Text),  # what its next attempt goes on from: reschedule, defer, input
    Column("due_at", Double),
    Column("queued_at", Double),
    Column("started_at", Double),
    Column("ended_at", Double),
    UniqueConstraint("run_id", "task", "map_index"),
)
_QUEUED = text("state = 'queued' AND blocked_on IS NULL")
Index(
    "ix_task_instances_claim",
    task_instances.c.placement_id,
    task_instances.c.priority.desc(),
    task_instances.c.queued_at,
    task_instances.c.id,
    sqlite_where=_QUEUED,
    postgresql_where=_QUEUED,
)
_BLOCKED = text("state = 'queued' AND blocked_on IS NOT NULL")
Index(
    "ix_task_instances_line",
    task_instances.c.blocked_on,
    task_instances.c.priority.desc(),
    task_instances.c.queued_at,
    task_instances.c.id,
    sqlite_where=_BLOCKED,
    postgresql_where=_BLOCKED,
)
_WITH_TIMEOUT = text("state = 'queued' AND due_at IS NOT NULL")
Index(
    "ix_task_instances_queue_timeout",
    task_instances.c.due_at,
    sqlite_where=_WITH_TIMEOUT,
    postgresql_where=_WITH_TIMEOUT,
)
_PREFERRED = text("state = 'queued' AND spread_at IS NOT NULL")
Index("ix_task_instances_spread", task_instances.c.spread_at, sqlite_where=_PREFERRED, postgresql_where=_PREFERRED)
_LEASED = text("state = 'running'")
Index("ix_task_instances_expiry", task_instances.c.expires_at, sqlite_where=_LEASED, postgresql_where=_LEASED)
Index("ix_task_instances_agent", task_instances.c.agent_id, sqlite_where=_LEASED, postgresql_where=_LEASED)
Index(
    "ix_task_instances_running",
    task_instances.c.team_id,
    task_instances.c.site_id,
    sqlite_where=_LEASED,
    postgresql_where=_LEASED,
)
_DUE = text("state IN ('up_for_retry', 'up_for_reschedule', 'deferred')")
Index("ix_task_instances_due", task_instances.c.due_at, sqlite_where=_DUE, postgresql_where=_DUE)

# What a mapped task came to when it was expanded: how many items each source had.
map_expansions = Table(
    "map_expansions",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("task", Text, primary_key=True),
    Column("lengths", Text, nullable=False),  # JSON: a whole number for each
    Column("sparse", Text, nullable=False),  # JSON: which of them are mapped tasks some of whose instances left nothing
)

attempts = Table(
    "attempts",
    metadata,
    Column("task_instance_id", Text, ForeignKey("task_instances.id"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("try_number", Integer, nullable=False),
    Column("agent_id", Text, ForeignKey("agents.id"), nullable=False),
    Column("site_id", Text, ForeignKey("sites.id"), nullable=False),
    Column("leased_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("ending", Text),
    # The API recorded the ending itself when the lease expired; the site's own word still replaces it.
    Column("assumed", Boolean, nullable=False, server_default=text("false")),
    Column("message", Text),
    Column("exit_code", Integer),
    Column("cpu_s", Double),
    Column("max_rss_bytes", BigInteger),
    Column("progress", Double),
    Column("note", Text),
    Column("label", Text),
    Column("rendered", Text),  # JSON: what its arguments came to
    Column("log_size", BigInteger),
    Column("log_complete", Boolean, nullable=False, server_default=text("false")),
    Column("log_deleted_at", Double),  # by the retention of logs: there is nothing to read, nor will there be
)
Index(None, attempts.c.agent_id)

xcoms = Table(
    "xcoms",
    metadata,
    Column("task_instance_id", Text, ForeignKey("task_instances.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("value", Text),  # JSON text, when it is small
    Column("object", Text),  # else the SHA-256 that names it in the object store
    Column("length", Integer),  # of such a one: how many items its list or dictionary has
)

_UPLOADED = text("object IS NOT NULL")
Index("ix_xcoms_object", xcoms.c.object, sqlite_where=_UPLOADED, postgresql_where=_UPLOADED)

# Which files the values name: what a task may fetch by its hash, and what a blob is still needed for.
xcom_files = Table(
    "xcom_files",
    metadata,
    Column("task_instance_id", Text, ForeignKey("task_instances.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
)
Index(None, xcom_files.c.sha256)

metric_points = Table(
    "metric_points",
    metadata,
    Column("task_instance_id", Text, ForeignKey("task_instances.id"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("tags", Text),
    # Empty: waits to be exported. A batch's id: on its way. None: gone, or nobody exports.
    Column("export_batch", Text),
)
_EXPORTED = text("export_batch IS NOT NULL")
Index(
    "ix_metric_points_export",
    metric_points.c.export_batch,
    metric_points.c.at,
    sqlite_where=_EXPORTED,
    postgresql_where=_EXPORTED,
)

# Which API process exports metrics: one row, a lease.
metric_exporter = Table(
    "metric_exporter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("holder", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
)

# What a site's own policy refused: claims by agents with that policy pass it over until the time is over.
policy_refusals = Table(
    "policy_refusals",
    metadata,
    Column("site_id", Text, ForeignKey("sites.id", ondelete="CASCADE"), primary_key=True),
    Column("fingerprint", Text, primary_key=True),  # of the policy
    # "<dag version id> <task>", or the id of one task instance.
    Column("subject", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
)
