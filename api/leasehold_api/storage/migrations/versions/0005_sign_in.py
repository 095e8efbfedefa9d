"""sign-in: browser sessions, one-time links, people who were sent to the OIDC provider

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("is_admin_by_groups", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.create_table(
        "browser_sessions",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), sa.ForeignKey("users.id", name="fk_browser_sessions_user_id_users", ondelete="CASCADE"), nullable=False),
        sa.Column("token_epoch", sa.Integer(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("last_used_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("user_agent", sa.Text()),
        sa.Column("ended_at", sa.Double()),
        sa.UniqueConstraint("secret_sha256", name="uq_browser_sessions_secret_sha256"),
    )
    op.create_index("ix_browser_sessions_user_id", "browser_sessions", ["user_id"])
    op.create_table(
        "sign_in_links",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), sa.ForeignKey("users.id", name="fk_sign_in_links_user_id_users", ondelete="CASCADE"), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double()),
        sa.Column("used_from", sa.Text()),
    )
    op.create_index("ix_sign_in_links_user_id", "sign_in_links", ["user_id"])
    op.create_table(
        "pending_sign_ins",
        sa.Column("state_sha256", sa.Text(), primary_key=True),
        sa.Column("browser_sha256", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("code_verifier", sa.Text(), nullable=False),
        sa.Column("next_path", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_pending_sign_ins_expires_at", "pending_sign_ins", ["expires_at"])


def downgrade() -> None:
    op.drop_table("pending_sign_ins")
    op.drop_table("sign_in_links")
    op.drop_table("browser_sessions")
    op.drop_column("users", "is_admin_by_groups")
