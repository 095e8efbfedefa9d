"""agents rotate their keys; sites are locked; a lock says what becomes of running attempts

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sites", sa.Column("locked_at", sa.Double()))
    op.add_column("sites", sa.Column("locked_because", sa.Text()))
    op.add_column("sites", sa.Column("locked_running", sa.Text()))
    op.add_column("agents", sa.Column("key_since", sa.Double()))
    op.add_column("agents", sa.Column("next_jkt", sa.Text()))
    op.add_column("agents", sa.Column("next_public_jwk", sa.Text()))
    op.add_column("agents", sa.Column("locked_running", sa.Text()))
    op.create_index("ix_agents_next_jkt", "agents", ["next_jkt"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_agents_next_jkt", "agents")
    for column in ("locked_running", "next_public_jwk", "next_jkt", "key_since"):
        op.drop_column("agents", column)
    for column in ("locked_running", "locked_because", "locked_at"):
        op.drop_column("sites", column)
