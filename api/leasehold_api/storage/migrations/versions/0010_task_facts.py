"""runs that tasks start; what a task instance is called, and what its arguments came to

Revision: 0010, after 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("caused_by", sa.Text()))
    op.add_column("runs", sa.Column("depth", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.create_index("ix_runs_dag_id_logical_date", "runs", ["dag_id", "logical_date"])
    op.add_column("attempts", sa.Column("label", sa.Text()))
    op.add_column("attempts", sa.Column("rendered", sa.Text()))


def downgrade() -> None:
    for column in ("rendered", "label"):
        op.drop_column("attempts", column)
    op.drop_index("ix_runs_dag_id_logical_date", "runs")
    for column in ("depth", "caused_by"):
        op.drop_column("runs", column)
