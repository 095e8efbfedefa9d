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
