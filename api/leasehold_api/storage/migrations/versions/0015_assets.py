"""assets: which there are, who declares them, their events, and what tasks keep with them

Revision: 0015, after 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _of_asset(table: str, *, primary_key: bool) -> sa.Column[str]:
    name = f"fk_{table}_asset_id_assets"
    return sa.Column("asset_id", sa.Text(), sa.ForeignKey("assets.id", name=name, ondelete="CASCADE"), primary_key=primary_key, nullable=False)


def upgrade() -> None:
    op.create_table(
        "assets",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), sa.ForeignKey("teams.id", name="fk_assets_team_id_teams"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("asset_group", sa.Text(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.Double(), nullable=False),
        sa.Column("last_seen_at", sa.Double(), nullable=False),
        sa.UniqueConstraint("team_id", "name", name="uq_assets_team_id_name"),
    )
    op.create_table(
        "asset_declarations",
        sa.Column("dag_id", sa.Text(), sa.ForeignKey("dags.id", name="fk_asset_declarations_dag_id_dags", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
    )
    op.create_index("ix_asset_declarations_team_id_name", "asset_declarations", ["team_id", "name"])
    op.create_index("ix_asset_declarations_team_id_uri", "asset_declarations", ["team_id", "uri"])
    op.create_table(
        "asset_aliases",
        sa.Column("team_id", sa.Text(), primary_key=True),
        sa.Column("alias", sa.Text(), primary_key=True),
        _of_asset("asset_aliases", primary_key=True),
        sa.Column("since", sa.Double(), nullable=False),
    )
    op.create_index("ix_asset_aliases_asset_id", "asset_aliases", ["asset_id"])
    op.create_table(
        "asset_events",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("team_id", sa.Text(), nullable=False),
        _of_asset("asset_events", primary_key=False),
        sa.Column("alias", sa.Text()),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("dag", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("try_number", sa.Integer(), nullable=False),
    )
    op.create_index("ix_asset_events_asset_id_id", "asset_events", ["asset_id", "id"])
    op.create_index("ix_asset_events_team_id_id", "asset_events", ["team_id", "id"])
    op.create_index("ix_asset_events_team_id_alias_id", "asset_events", ["team_id", "alias", "id"])
    op.create_table(
        "asset_state",
        _of_asset("asset_state", primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("updated_by", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    for table in ("asset_state", "asset_events", "asset_aliases", "asset_declarations", "assets"):
        op.drop_table(table)
