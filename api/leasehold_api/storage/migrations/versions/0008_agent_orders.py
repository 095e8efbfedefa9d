"""agents are paused, drained and given fewer slots; they say how they are

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("orders", sa.Text()))
    op.add_column("agents", sa.Column("health", sa.Text()))
    op.add_column("agents", sa.Column("health_at", sa.Double()))


def downgrade() -> None:
    for column in ("health_at", "health", "orders"):
        op.drop_column("agents", column)
