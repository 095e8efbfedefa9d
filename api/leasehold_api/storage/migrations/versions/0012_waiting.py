"""waiting: tasks that wait without a slot, events, and what tasks keep across their tries

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_DUE_BEFORE = sa.text("state = 'up_for_retry'")
_DUE = sa.text("state IN ('up_for_retry', 'up_for_reschedule', 'deferred')")
_OPEN = sa.text("state = 'open'")
_ASKED = sa.text("kind = 'question'")


def upgrade() -> None:
    op.add_column("task_instances", sa.Column("rescheduled", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("task_instances", sa.Column("resumed", sa.Text()))
    op.drop_index("ix_task_instances_due", "task_instances")
    op.create_index("ix_task_instances_due", "task_instances", ["due_at"], sqlite_where=_DUE, postgresql_where=_DUE)
    op.create_table(
        "waits",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("task_instance_id", sa.Text(), sa.ForeignKey("task_instances.id", name="fk_waits_task_instance_id_task_instances", ondelete="CASCADE"), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text()),
        sa.Column("wait", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("value", sa.Text()),
        sa.Column("message", sa.Text()),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("until", sa.Double()),
        sa.Column("settled_at", sa.Double()),
        sa.Column("settled_by", sa.Text()),
        sa.UniqueConstraint("task_instance_id", "key", name="uq_waits_task_instance_id_key"),
    )
    op.create_index("ix_waits_subject", "waits", ["kind", "subject"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("ix_waits_asked", "waits", ["team_id", "id"], sqlite_where=_ASKED, postgresql_where=_ASKED)
    op.create_index("ix_waits_run_id", "waits", ["run_id"])
    op.create_table(
        "events",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), sa.ForeignKey("teams.id", name="fk_events_team_id_teams"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.Double(), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=False),
    )
    op.create_index("ix_events_team_id_name_sent_at", "events", ["team_id", "name", "sent_at"])
    op.create_index("ix_events_sent_at", "events", ["sent_at"])
    op.create_table(
        "task_state",
        sa.Column("task_instance_id", sa.Text(), sa.ForeignKey("task_instances.id", name="fk_task_state_task_instance_id_task_instances", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("updated_at", sa.Double(), nullable=False),
    )


def downgrade() -> None:
    for table in ("task_state", "events", "waits"):
        op.drop_table(table)
    op.drop_index("ix_task_instances_due", "task_instances")
    op.create_index("ix_task_instances_due", "task_instances", ["due_at"], sqlite_where=_DUE_BEFORE, postgresql_where=_DUE_BEFORE)
    for column in ("resumed", "rescheduled"):
        op.drop_column("task_instances", column)
