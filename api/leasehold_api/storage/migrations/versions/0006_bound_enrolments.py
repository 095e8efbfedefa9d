"""enrolments are bound to a key, with a secret or without

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("enrolment_tokens") as batch:
        batch.add_column(sa.Column("bound_jkt", sa.Text()))
        batch.alter_column("secret_sha256", existing_type=sa.Text(), nullable=True)
    op.create_index("ix_enrolment_tokens_bound_jkt", "enrolment_tokens", ["bound_jkt"])


def downgrade() -> None:
    op.drop_index("ix_enrolment_tokens_bound_jkt", "enrolment_tokens")
    op.execute("DELETE FROM enrolment_tokens WHERE secret_sha256 IS NULL")
    with op.batch_alter_table("enrolment_tokens") as batch:
        batch.alter_column("secret_sha256", existing_type=sa.Text(), nullable=False)
        batch.drop_column("bound_jkt")
