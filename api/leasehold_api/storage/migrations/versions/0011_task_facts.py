"""runs that tasks start; what a task instance is called and what its arguments came to; metrics on their way out

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("caused_by", sa.Text()))
    op.add_column("runs", sa.Column("depth", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("attempts", sa.Column("label", sa.Text()))
    op.add_column("attempts", sa.Column("rendered", sa.Text()))
    op.add_column("metric_points", sa.Column("export_batch", sa.Text()))
    waits = sa.text("export_batch IS NOT NULL")
    op.create_index(
        "ix_metric_points_export", "metric_points", ["export_batch", "at"], sqlite_where=waits, postgresql_where=waits
    )
    op.create_table(
        "metric_exporter",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("metric_exporter")
    op.drop_index("ix_metric_points_export", "metric_points")
    op.drop_column("metric_points", "export_batch")
    for column in ("rendered", "label"):
        op.drop_column("attempts", column)
    for column in ("depth", "caused_by"):
        op.drop_column("runs", column)
