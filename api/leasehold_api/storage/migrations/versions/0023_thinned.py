"""thinning: up to which run logs, XComs and metrics of a DAG are deleted, and what says so of an attempt and of a run

Revision: 0023, after 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    dag = sa.ForeignKey("dags.id", name="fk_thinned_dag_id_dags", ondelete="CASCADE")
    op.create_table(
        "thinned",
        sa.Column("dag_id", sa.Text(), dag, primary_key=True, nullable=False),
        sa.Column("what", sa.Text(), primary_key=True, nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
    )
    op.add_column("attempts", sa.Column("log_deleted_at", sa.Double()))
    op.add_column("runs", sa.Column("xcoms_deleted_at", sa.Double()))
    op.add_column("runs", sa.Column("metrics_deleted_at", sa.Double()))


def downgrade() -> None:
    op.drop_column("runs", "metrics_deleted_at")
    op.drop_column("runs", "xcoms_deleted_at")
    op.drop_column("attempts", "log_deleted_at")
    op.drop_table("thinned")
