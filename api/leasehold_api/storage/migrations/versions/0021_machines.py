"""machines: what agents found that their machines can run; schedules that go by time and by assets

Revision: 0021, after 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def _part(column: str, table: str) -> sa.Column[str]:
    key = sa.ForeignKey(f"{table}.id", name=f"fk_agent_lacks_{column}_{table}", ondelete="CASCADE")
    return sa.Column(column, sa.Text(), key, primary_key=True, nullable=False)


def upgrade() -> None:
    op.add_column("agents", sa.Column("offers", sa.Text()))
    op.add_column("schedules", sa.Column("assets_at", sa.Double()))
    op.create_table("agent_lacks", _part("agent_id", "agents"), _part("placement_id", "placements"))
    op.create_index("ix_agent_lacks_placement_id", "agent_lacks", ["placement_id"])


def downgrade() -> None:
    op.drop_table("agent_lacks")
    op.drop_column("schedules", "assets_at")
    op.drop_column("agents", "offers")
