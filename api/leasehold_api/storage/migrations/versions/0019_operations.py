"""operations on runs: tries that a retry forgave; runs that are deleted, what they leave, which are old; webhooks

Revision: 0019, after 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ENDED = sa.text("ended_at IS NOT NULL")
_DELETED = sa.text("deleted_at IS NOT NULL")

_WAITING = sa.text("state = 'waiting'")
_SETTLED = sa.text("settled_at IS NOT NULL")
_UPLOADED = sa.text("object IS NOT NULL")


def upgrade() -> None:
    op.add_column("task_instances", sa.Column("tries_forgiven", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("runs", sa.Column("deleted_at", sa.Double()))
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), sa.ForeignKey("teams.id", name="fk_webhooks_team_id_teams"), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("dag", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("settled_at", sa.Double()),
        sa.Column("error", sa.Text()),
    )
    op.create_index("ix_webhooks_team_id_id", "webhooks", ["team_id", "id"])
    op.create_index("ix_webhooks_due", "webhooks", ["due_at"], sqlite_where=_WAITING, postgresql_where=_WAITING)
    op.create_index("ix_webhooks_settled", "webhooks", ["settled_at"], sqlite_where=_SETTLED, postgresql_where=_SETTLED)
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
    op.drop_table("webhooks")
    op.drop_index("ix_xcoms_object", "xcoms")
    op.drop_table("unneeded_blobs")
    op.drop_column("dags", "retention_days")
    op.drop_column("runs", "deleted_at")
    op.drop_column("task_instances", "tries_forgiven")
