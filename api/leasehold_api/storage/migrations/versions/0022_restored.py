"""a restore from a backup: when it was, and from when on a team's task instances are leased again

Revision: 0022, after 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("teams", sa.Column("restored_at", sa.Double()))
    op.add_column("teams", sa.Column("leases_from", sa.Double()))


def downgrade() -> None:
    op.drop_column("teams", "leases_from")
    op.drop_column("teams", "restored_at")
