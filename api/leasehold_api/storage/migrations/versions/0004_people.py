"""people: users, and their roles in teams

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("issuer", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("password_hash", sa.Text()),
        sa.Column("is_platform_admin", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("token_epoch", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("locked_at", sa.Double()),
        sa.Column("locked_because", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("last_sign_in_at", sa.Double()),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sa.UniqueConstraint("issuer", "subject", name="uq_users_issuer_subject"),
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", sa.Text(), sa.ForeignKey("users.id", name="fk_memberships_user_id_users", ondelete="CASCADE"), primary_key=True),
        sa.Column("team_id", sa.Text(), sa.ForeignKey("teams.id", name="fk_memberships_team_id_teams", ondelete="CASCADE"), primary_key=True),
        sa.Column("origin", sa.Text(), primary_key=True),
        sa.Column("role", sa.Text(), nullable=False),
    )
    op.create_index("ix_memberships_team_id", "memberships", ["team_id"])


def downgrade() -> None:
    op.drop_table("memberships")
    op.drop_table("users")
