"""OAuth for people and programs: sign-ins of applications, codes on their way, service clients."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text

from leasehold_api.storage.tables.schema import metadata

oauth_sign_ins = Table(
    "oauth_sign_ins",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("user_epoch", Integer, nullable=False),  # the user's token_epoch at that moment
    Column("client_id", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("jkt", Text),  # the key that its refresh tokens are bound to
    Column("created_at", Double, nullable=False),
    Column("created_from", Text),
    Column("last_used_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("ended_at", Double),
    Column("ended_because", Text),
)
Index(None, oauth_sign_ins.c.user_id)

oauth_refresh_tokens = Table(
    "oauth_refresh_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sign_in_id", Text, ForeignKey("oauth_sign_ins.id", ondelete="CASCADE"), nullable=False),
    Column("secret_sha256", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    # The one that was given for it. Used again soon, while that one was not, its answer was lost.
    Column("successor_id", Text),
)
Index(None, oauth_refresh_tokens.c.sign_in_id)
Index(None, oauth_refresh_tokens.c.expires_at)

oauth_codes = Table(
    "oauth_codes",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("client_id", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("user_epoch", Integer, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("challenge", Text, nullable=False),  # PKCE, S256
    Column("jkt", Text),
    Column("scope", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    Column("sign_in_id", Text),  # what it was redeemed for
)
Index(None, oauth_codes.c.expires_at)

oauth_devices = Table(
    "oauth_devices",
    metadata,
    Column("sha256", Text, primary_key=True),  # of the device code
    Column("user_code", Text, nullable=False, unique=True),
    Column("client_id", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("jkt", Text),
    Column("name", Text),  # what the device says it is called
    Column("address", Text),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("interval_s", Integer, nullable=False),
    Column("polled_at", Double),
    Column("state", Text, nullable=False),  # pending, approved, denied, used
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE")),
    Column("user_epoch", Integer),
    Column("decided_at", Double),
    Column("decided_by", Text),
    Column("site_id", Text, ForeignKey("sites.id", ondelete="CASCADE")),  # of an agent that is let in
)
Index(None, oauth_devices.c.expires_at)

service_clients = Table(
    "service_clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("team_id", Text, ForeignKey("teams.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("secret_sha256", Text),
    Column("public_jwk", Text),
    # Raised to end every access token at once.
    Column("token_epoch", Integer, nullable=False, server_default=text("0")),
    Column("created_by", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("last_used_at", Double),
    Column("locked_at", Double),
    Column("locked_because", Text),
    UniqueConstraint("team_id", "name"),
)

revoked_jtis = Table(
    "revoked_jtis",
    metadata,
    Column("jti", Text, primary_key=True),  # of an access or task token
    Column("expires_at", Double, nullable=False),
)
Index(None, revoked_jtis.c.expires_at)
