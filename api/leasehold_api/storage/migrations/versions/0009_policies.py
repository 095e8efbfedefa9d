"""policies: what agents say of their site's own policy, and what it refused

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("policy", sa.Text()))
    op.add_column("agents", sa.Column("policy_fingerprint", sa.Text()))
    op.create_table(
        "policy_refusals",
        sa.Column("site_id", sa.Text(), sa.ForeignKey("sites.id", name="fk_policy_refusals_site_id_sites", ondelete="CASCADE"), primary_key=True),
        sa.Column("fingerprint", sa.Text(), primary_key=True),
        sa.Column("subject", sa.Text(), primary_key=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("policy_refusals")
    for column in ("policy_fingerprint", "policy"):
        op.drop_column("agents", column)
