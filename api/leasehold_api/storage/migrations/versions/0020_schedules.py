"""schedules: when DAGs run by themselves, runs that wait for their turn, and backfills

Revision: 0020, after 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_DUE = sa.text("due_at IS NOT NULL")
_OPEN = sa.text("state IN ('queued', 'running')")
_BACKFILLED = sa.text("backfill_id IS NOT NULL")


def _dag(table: str, *, primary_key: bool) -> sa.Column[str]:
    return sa.Column("dag_id", sa.Text(), sa.ForeignKey("dags.id", name=f"fk_{table}_dag_id_dags", ondelete="CASCADE"), primary_key=primary_key, nullable=False)


def upgrade() -> None:
    for column in ("data_interval_start", "data_interval_end"):
        op.add_column("runs", sa.Column(column, sa.Double()))
    op.add_column("runs", sa.Column("backfill_id", sa.Text()))
    op.create_index("ix_runs_open", "runs", ["dag_id", "state", "id"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("ix_runs_backfill", "runs", ["backfill_id", "state"], sqlite_where=_BACKFILLED, postgresql_where=_BACKFILLED)
    op.create_table(
        "schedules",
        _dag("schedules", primary_key=True),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text()),
        sa.Column("max_active_runs", sa.Integer()),
        sa.Column("anchor_at", sa.Double(), nullable=False),
        sa.Column("next_at", sa.Double()),
        sa.Column("due_at", sa.Double()),
        sa.Column("last_at", sa.Double()),
        sa.Column("waits", sa.Text()),
        sa.Column("paused_at", sa.Double()),
        sa.Column("paused_by", sa.Text()),
        sa.Column("paused_note", sa.Text()),
    )
    op.execute("INSERT INTO schedules (dag_id, team_id, anchor_at) SELECT id, team_id, 0 FROM dags")
    op.create_index("ix_schedules_due", "schedules", ["due_at"], sqlite_where=_DUE, postgresql_where=_DUE)
    op.create_table(
        "asset_watchers",
        _dag("asset_watchers", primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), nullable=False),
    )
    op.create_index("ix_asset_watchers_team_id_kind_name", "asset_watchers", ["team_id", "kind", "name"])
    op.create_table(
        "asset_arrivals",
        _dag("asset_arrivals", primary_key=True),
        sa.Column("event_id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text()),
    )
    op.create_table(
        "run_asset_events",
        sa.Column("run_id", sa.Text(), sa.ForeignKey("runs.id", name="fk_run_asset_events_run_id_runs", ondelete="CASCADE"), primary_key=True),
        sa.Column("event_id", sa.Text(), primary_key=True),
    )
    op.create_table(
        "backfills",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), nullable=False),
        _dag("backfills", primary_key=False),
        sa.Column("from_at", sa.Double(), nullable=False),
        sa.Column("to_at", sa.Double(), nullable=False),
        sa.Column("reprocess", sa.Text(), nullable=False),
        sa.Column("max_active", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("dates", sa.Text(), nullable=False),
        sa.Column("begun", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.Double()),
    )
    op.create_index("ix_backfills_team_id_id", "backfills", ["team_id", "id"])
    op.create_index("ix_backfills_due", "backfills", ["due_at"], sqlite_where=_DUE, postgresql_where=_DUE)


def downgrade() -> None:
    for table in ("backfills", "run_asset_events", "asset_arrivals", "asset_watchers", "schedules"):
        op.drop_table(table)
    for index in ("ix_runs_backfill", "ix_runs_open"):
        op.drop_index(index, "runs")
    for column in ("backfill_id", "data_interval_end", "data_interval_start"):
        op.drop_column("runs", column)
