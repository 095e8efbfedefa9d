"""oauth: sign-ins of applications, codes on their way, service clients, revoked tokens

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_sign_ins",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column(
            "user_id",
            sa.Text(),
            sa.ForeignKey("users.id", name="fk_oauth_sign_ins_user_id_users", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("user_epoch", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("jkt", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_from", sa.Text()),
        sa.Column("last_used_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("ended_because", sa.Text()),
    )
    op.create_index("ix_oauth_sign_ins_user_id", "oauth_sign_ins", ["user_id"])
    op.create_table(
        "oauth_refresh_tokens",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column(
            "sign_in_id",
            sa.Text(),
            sa.ForeignKey(
                "oauth_sign_ins.id", name="fk_oauth_refresh_tokens_sign_in_id_oauth_sign_ins", ondelete="CASCADE"
            ),
            nullable=False,
        ),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double()),
        sa.Column("successor_id", sa.Text()),
    )
    op.create_index("ix_oauth_refresh_tokens_sign_in_id", "oauth_refresh_tokens", ["sign_in_id"])
    op.create_index("ix_oauth_refresh_tokens_expires_at", "oauth_refresh_tokens", ["expires_at"])
    op.create_table(
        "oauth_codes",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column(
            "user_id",
            sa.Text(),
            sa.ForeignKey("users.id", name="fk_oauth_codes_user_id_users", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("user_epoch", sa.Integer(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("challenge", sa.Text(), nullable=False),
        sa.Column("jkt", sa.Text()),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double()),
        sa.Column("sign_in_id", sa.Text()),
    )
    op.create_index("ix_oauth_codes_expires_at", "oauth_codes", ["expires_at"])
    op.create_table(
        "oauth_devices",
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("user_code", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("jkt", sa.Text()),
        sa.Column("name", sa.Text()),
        sa.Column("address", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("polled_at", sa.Double()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "user_id", sa.Text(), sa.ForeignKey("users.id", name="fk_oauth_devices_user_id_users", ondelete="CASCADE")
        ),
        sa.Column("user_epoch", sa.Integer()),
        sa.Column("decided_at", sa.Double()),
        sa.Column("decided_by", sa.Text()),
        sa.Column(
            "site_id", sa.Text(), sa.ForeignKey("sites.id", name="fk_oauth_devices_site_id_sites", ondelete="CASCADE")
        ),
        sa.UniqueConstraint("user_code", name="uq_oauth_devices_user_code"),
    )
    op.create_index("ix_oauth_devices_expires_at", "oauth_devices", ["expires_at"])
    op.create_table(
        "service_clients",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column(
            "team_id", sa.Text(), sa.ForeignKey("teams.id", name="fk_service_clients_team_id_teams"), nullable=False
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.Text()),
        sa.Column("public_jwk", sa.Text()),
        sa.Column("token_epoch", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("last_used_at", sa.Double()),
        sa.Column("locked_at", sa.Double()),
        sa.Column("locked_because", sa.Text()),
        sa.UniqueConstraint("team_id", "name", name="uq_service_clients_team_id_name"),
    )
    op.create_table(
        "revoked_jtis",
        sa.Column("jti", sa.Text(), primary_key=True),
        sa.Column("expires_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_revoked_jtis_expires_at", "revoked_jtis", ["expires_at"])


def downgrade() -> None:
    for table in (
        "revoked_jtis",
        "service_clients",
        "oauth_devices",
        "oauth_codes",
        "oauth_refresh_tokens",
        "oauth_sign_ins",
    ):
        op.drop_table(table)
