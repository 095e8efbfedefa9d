"""mapped tasks: how many items each source of an expanded task had; the length of large values

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "map_expansions",
        sa.Column(
            "run_id",
            sa.Text(),
            sa.ForeignKey("runs.id", name="fk_map_expansions_run_id_runs", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("task", sa.Text(), primary_key=True),
        sa.Column("lengths", sa.Text(), nullable=False),
        sa.Column("sparse", sa.Text(), nullable=False),
    )
    op.add_column("xcoms", sa.Column("length", sa.Integer()))


def downgrade() -> None:
    op.drop_column("xcoms", "length")
    op.drop_table("map_expansions")
