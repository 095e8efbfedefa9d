"""People, and what they may do where."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from leasehold_api.storage.tables.schema import metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),  # what they sign in with, and how others see them
    Column("email", Text),
    # Who vouches for them: an OIDC provider's issuer and subject, or the password kept here (argon2id).
    Column("issuer", Text),
    Column("subject", Text),
    Column("password_hash", Text),
    Column("is_platform_admin", Boolean, nullable=False, server_default=text("false")),
    Column("is_admin_by_groups", Boolean, nullable=False, server_default=text("false")),
    # Raised to end every session and token at once.
    Column("token_epoch", Integer, nullable=False, server_default=text("0")),
    Column("locked_at", Double),
    Column("locked_because", Text),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("last_sign_in_at", Double),
    UniqueConstraint("issuer", "subject"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    # Who said so: an admin (granted), or the groups of the OIDC provider (groups). The higher role counts.
    Column("origin", Text, primary_key=True),
    Column("role", Text, nullable=False),
)
Index(None, memberships.c.team_id)

browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("id", Text, primary_key=True),  # public: what lists show
    Column("secret_sha256", Text, nullable=False, unique=True),  # of what the cookie has
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("token_epoch", Integer, nullable=False),  # the user's, when they signed in
    Column("method", Text, nullable=False),  # link, password or provider
    Column("created_at", Double, nullable=False),
    Column("last_used_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),  # however much it is used
    Column("address", Text),  # where it was used last
    Column("user_agent", Text),
    Column("ended_at", Double),
)
Index(None, browser_sessions.c.user_id)

# One-time links: the first platform admin's (bootstrap), an invitation, a new password.
sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("secret_sha256", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Column("used_from", Text),
)
Index(None, sign_in_links.c.user_id)

# People who were sent to the OIDC provider and have not come back yet.
pending_sign_ins = Table(
    "pending_sign_ins",
    metadata,
    Column("state_sha256", Text, primary_key=True),
    Column("browser_sha256", Text, nullable=False),  # of the cookie of the browser that was sent there
    Column("nonce", Text, nullable=False),
    Column("code_verifier", Text, nullable=False),
    Column("next_path", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
)
Index(None, pending_sign_ins.c.expires_at)
