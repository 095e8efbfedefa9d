"""Teams, sites, agents, and what lets them in."""

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
    Table,
    Text,
    UniqueConstraint,
    text,
)

from leasehold_api.storage.tables.schema import metadata

teams = Table(
    "teams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("max_running", Integer),  # none: as many as its agents take
    Column("restored_at", Double),  # from a backup; epochs of runs that are older go on above those before
    Column("leases_from", Double),  # nothing is leased before: what the backup does not know of may still run
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
    Column("trusted", Boolean, nullable=False, server_default=text("false")),  # leases bring open secrets along
    Column("max_running", Integer),  # of all its agents together; none: as many as they take
    Column("weight", Integer, nullable=False, server_default=text("10")),  # its share where several sites wait for work
    Column("reserved", Text),  # the label that a task must ask for to run here; none: anything that fits
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
    Column("orders", Text),  # what people ordered of it, as JSON; none: nothing
    Column("health", Text),  # how it is by its own word, as JSON
    Column("health_at", Double),
    # The site's own policy, as the agent last said.
    Column("policy", Text),
    Column("policy_fingerprint", Text),
    Column("offers", Text),  # which runtimes and Pythons its machine has, as JSON; none: it was not heard yet
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
