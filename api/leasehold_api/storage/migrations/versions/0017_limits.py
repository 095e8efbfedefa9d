"""limits: pools, how much of a DAG, run, task, team and site may run at once; queue time-outs, site weights, reserved sites

Revision: 0017, after 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_CLAIM: list[str | sa.TextClause] = ["placement_id", sa.text("priority DESC"), "queued_at", "id"]
_LINE: list[str | sa.TextClause] = ["blocked_on", sa.text("priority DESC"), "queued_at", "id"]


def _partial(name: str, columns: list[str | sa.TextClause], where: str) -> None:
    op.create_index(name, "task_instances", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    op.create_table(
        "limits",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), sa.ForeignKey("teams.id", name="fk_limits_team_id_teams"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("description", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("updated_at", sa.Double()),
        sa.Column("updated_by", sa.Text()),
    )
    op.create_index("ix_limits_team_id_kind_name", "limits", ["team_id", "kind", "name"])
    op.create_index("ix_limits_run_id", "limits", ["run_id"])
    op.create_table(
        "lines",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), sa.ForeignKey("teams.id", name="fk_lines_team_id_teams"), nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("stands_at", sa.Text()),
    )
    op.create_index("ix_lines_stands_at", "lines", ["stands_at"])
    op.create_index("ix_lines_run_id", "lines", ["run_id"])
    op.create_table(
        "line_limits",
        sa.Column("line_id", sa.Text(), sa.ForeignKey("lines.id", name="fk_line_limits_line_id_lines", ondelete="CASCADE"), primary_key=True),
        sa.Column("limit_id", sa.Text(), sa.ForeignKey("limits.id", name="fk_line_limits_limit_id_limits"), primary_key=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
    )
    op.create_index("ix_line_limits_limit_id", "line_limits", ["limit_id"])
    op.create_table(
        "limit_holds",
        sa.Column("task_instance_id", sa.Text(), primary_key=True),
        sa.Column("limit_id", sa.Text(), sa.ForeignKey("limits.id", name="fk_limit_holds_limit_id_limits"), primary_key=True),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
    )
    op.create_index("ix_limit_holds_limit_id", "limit_holds", ["limit_id"])
    op.create_index("ix_limit_holds_run_id", "limit_holds", ["run_id"])
    op.add_column("task_instances", sa.Column("line_id", sa.Text()))
    op.add_column("task_instances", sa.Column("blocked_on", sa.Text()))
    op.add_column("task_instances", sa.Column("usual_placement_id", sa.Text()))
    op.add_column("task_instances", sa.Column("spread_at", sa.Double()))
    op.add_column("task_instances", sa.Column("queue_timeout_s", sa.Double()))
    op.drop_index("ix_task_instances_claim", table_name="task_instances")
    _partial("ix_task_instances_claim", _CLAIM, "state = 'queued' AND blocked_on IS NULL")
    _partial("ix_task_instances_line", _LINE, "state = 'queued' AND blocked_on IS NOT NULL")
    _partial("ix_task_instances_queue_timeout", ["due_at"], "state = 'queued' AND due_at IS NOT NULL")
    _partial("ix_task_instances_spread", ["spread_at"], "state = 'queued' AND spread_at IS NOT NULL")
    _partial("ix_task_instances_running", ["team_id", "site_id"], "state = 'running'")
    op.add_column("placements", sa.Column("site_id", sa.Text()))
    op.add_column("teams", sa.Column("max_running", sa.Integer()))
    op.add_column("sites", sa.Column("max_running", sa.Integer()))
    op.add_column("sites", sa.Column("weight", sa.Integer(), nullable=False, server_default=sa.text("10")))
    op.add_column("sites", sa.Column("reserved", sa.Text()))


def downgrade() -> None:
    op.drop_column("placements", "site_id")
    for table, column in (("sites", "reserved"), ("sites", "weight"), ("sites", "max_running"), ("teams", "max_running")):
        op.drop_column(table, column)
    for name in ("running", "spread", "queue_timeout", "line", "claim"):
        op.drop_index(f"ix_task_instances_{name}", table_name="task_instances")
    for column in ("queue_timeout_s", "spread_at", "usual_placement_id", "blocked_on", "line_id"):
        op.drop_column("task_instances", column)
    _partial("ix_task_instances_claim", _CLAIM, "state = 'queued'")
    for table in ("limit_holds", "line_limits", "lines", "limits"):
        op.drop_table(table)
