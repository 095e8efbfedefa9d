"""Every table of the API. Times are seconds since 1970 (UTC), ids are text, JSON is text for the code that owns it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# ── Who and where ──────────────────────────────────────────────────────────────────────────────────────────────────

teams = Table(
    "teams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
)

sites = Table(
    "sites",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("max_slots", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("locked_at", Double),
    Column("locked_because", Text),
    Column("locked_running", Text),  # what becomes of running attempts: finish, cancel
    UniqueConstraint("team_id", "name"),
)

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("site_id", Text, ForeignKey("sites.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("jkt", Text, nullable=False, unique=True),  # RFC 7638 thumbprint of its key
    Column("public_jwk", Text, nullable=False),
    Column("key_since", Double),  # none: since it was enrolled
    # A key that the agent proposed: it works too, and its first use retires the other.
    Column("next_jkt", Text),
    Column("next_public_jwk", Text),  # none: the key is on another machine, which takes the agent over with it
    # Clone detection (identity.md): the newest generation that was used, and the assertion that used it.
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    Column("generation_jti", Text),
    Column("generation_iat", Double),
    # Raised to end every access token at once.
    Column("token_epoch", Integer, nullable=False, server_default=text("0")),
    Column("locked_at", Double),
    Column("locked_because", Text),
    Column("locked_running", Text),  # what becomes of running attempts: finish, cancel
    Column("enrolled_at", Double, nullable=False),
    Column("enrolled_from", Text),
    Column("last_seen_at", Double),
    Column("version", Text),
    Column("host", Text),
    Column("slots", Integer),
    Column("draining", Boolean, nullable=False, server_default=text("false")),
    Column("paused_because", Text),
)
Index(None, agents.c.site_id)
Index(None, agents.c.next_jkt, unique=True)

enrolment_tokens = Table(
    "enrolment_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("site_id", Text, ForeignKey("sites.id"), nullable=False),
    Column("secret_sha256", Text),  # none: it lets in the key it is bound to, without a secret
    Column("bound_jkt", Text),  # RFC 7638 thumbprint of the only key that may use it; none: any
    Column("note", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Column("used_by", Text),
    Column("used_jkt", Text),
    Column("used_from", Text),
    Column("revoked_at", Double),
)
Index(None, enrolment_tokens.c.bound_jkt)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id")),  # none: the platform
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_sha256", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("last_used_at", Double),
    Column("revoked_at", Double),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("state", Text, nullable=False),  # next, active, retired
    Column("public_jwk", Text, nullable=False),
    Column("sealed_private_jwk", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("activated_at", Double),
    Column("retired_at", Double),
)
# At most one key waits and one signs, whatever processes do at the same moment.
_ONE_OF_A_KIND = text("state IN ('next', 'active')")
Index(
    "ix_signing_keys_state",
    signing_keys.c.state,
    unique=True,
    sqlite_where=_ONE_OF_A_KIND,
    postgresql_where=_ONE_OF_A_KIND,
)

used_jtis = Table(
    "used_jtis",
    metadata,
    Column("jti", Text, primary_key=True),  # "<client id>:<jti>"
    Column("expires_at", Double, nullable=False),
)
Index(None, used_jtis.c.expires_at)

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

# ── What tasks may be given ────────────────────────────────────────────────────────────────────────────────────────

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
    Column("updated_at", Double, nullable=False),
    Column("updated_by", Text, nullable=False),
)

# ── What is to be done ─────────────────────────────────────────────────────────────────────────────────────────────

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
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    UniqueConstraint("dag_id", "idempotency_key"),
)
Index(None, runs.c.team_id, runs.c.id)

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
    # Upstream tasks: how many have not ended; how many ended without success.
    Column("waits_for", Integer, nullable=False),
    Column("upstream_failures", Integer, nullable=False, server_default=text("0")),
    Column("upstream_skips", Integer, nullable=False, server_default=text("0")),
    # The lease, when it is running; the epoch fences every write of an attempt.
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("agent_id", Text),
    Column("site_id", Text),
    Column("lease_length_s", Double, nullable=False),
    Column("expires_at", Double),
    Column("cancel_reason", Text),
    Column("tries", Integer, nullable=False, server_default=text("0")),  # of the task's own
    Column("losses", Integer, nullable=False, server_default=text("0")),  # infrastructure failures
    Column("due_at", Double),
    Column("queued_at", Double),
    Column("started_at", Double),
    Column("ended_at", Double),
    UniqueConstraint("run_id", "task", "map_index"),
)
_QUEUED = text("state = 'queued'")
Index(
    "ix_task_instances_claim",
    task_instances.c.placement_id,
    task_instances.c.priority.desc(),
    task_instances.c.queued_at,
    task_instances.c.id,
    sqlite_where=_QUEUED,
    postgresql_where=_QUEUED,
)
_LEASED = text("state = 'running'")
Index("ix_task_instances_expiry", task_instances.c.expires_at, sqlite_where=_LEASED, postgresql_where=_LEASED)
Index("ix_task_instances_agent", task_instances.c.agent_id, sqlite_where=_LEASED, postgresql_where=_LEASED)
_DUE = text("state = 'up_for_retry'")
Index("ix_task_instances_due", task_instances.c.due_at, sqlite_where=_DUE, postgresql_where=_DUE)

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
    Column("log_size", BigInteger),
    Column("log_complete", Boolean, nullable=False, server_default=text("false")),
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
)

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
)
