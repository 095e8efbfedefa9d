"""trigger rules: how many upstream tasks succeeded and never ran, and who skipped a task

Revision: 0018, after 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for counter in ("upstream_successes", "upstream_unreached"):
        op.add_column("task_instances", sa.Column(counter, sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("task_instances", sa.Column("skipped_by", sa.Text()))


def downgrade() -> None:
    for column in ("skipped_by", "upstream_unreached", "upstream_successes"):
        op.drop_column("task_instances", column)
