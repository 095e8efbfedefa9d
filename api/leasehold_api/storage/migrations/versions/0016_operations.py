"""operations on runs: tries that a person's retry forgave; runs that are being deleted, and which are old

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ENDED = sa.text("ended_at IS NOT NULL")
_DELETED = sa.text("deleted_at IS NOT NULL")

_UPLOADED = sa.text("object IS NOT NULL")


def upgrade() -> None:
    op.add_column("task_instances", sa.Column("tries_forgiven", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("runs", sa.Column("deleted_at", sa.Double()))
    op.add_column("dags", sa.Column("retention_days", sa.Double()))
    op.create_table(
        "unneeded_blobs",
        sa.Column("team_id", sa.Text(), primary_key=True),
        sa.Column("sha256", sa.Text(), primary_key=True),
        sa.Column("since", sa.Double(), nullable=False),
    )
    op.create_index("ix_unneeded_blobs_since", "unneeded_blobs", ["since"])
    op.create_index("ix_xcoms_object", "xcoms", ["object"], sqlite_where=_UPLOADED, postgresql_where=_UPLOADED)
    op.create_index("ix_runs_retention", "runs", ["dag_id", "ended_at"], sqlite_where=_ENDED, postgresql_where=_ENDED)
    op.create_index("ix_runs_deleted", "runs", ["deleted_at"], sqlite_where=_DELETED, postgresql_where=_DELETED)


def downgrade() -> None:
    op.drop_index("ix_runs_deleted", "runs")
    op.drop_index("ix_runs_retention", "runs")
    op.drop_index("ix_xcoms_object", "xcoms")
    op.drop_table("unneeded_blobs")
    op.drop_column("dags", "retention_days")
    op.drop_column("runs", "deleted_at")
    op.drop_column("task_instances", "tries_forgiven")
