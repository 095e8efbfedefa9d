"""signatures: a DAG version may have its author's

Revision: 0010, after 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dag_versions", sa.Column("signature", sa.Text()))


def downgrade() -> None:
    op.drop_column("dag_versions", "signature")
