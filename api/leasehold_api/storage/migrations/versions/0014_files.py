"""files: which files the values of tasks name; which run was before which; what a variable is for

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "xcom_files",
        sa.Column("task_instance_id", sa.Text(), sa.ForeignKey("task_instances.id", name="fk_xcom_files_task_instance_id_task_instances"), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_xcom_files_sha256", "xcom_files", ["sha256"])
    op.create_index("ix_runs_dag_id_logical_date_id", "runs", ["dag_id", "logical_date", "id"])
    op.add_column("variables", sa.Column("description", sa.Text()))


def downgrade() -> None:
    op.drop_column("variables", "description")
    op.drop_index("ix_runs_dag_id_logical_date_id", "runs")
    op.drop_table("xcom_files")
