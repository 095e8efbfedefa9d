"""The audit trail gets a hash chain, and rows that are in it can't be changed or removed.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WRITTEN = ("id", "at", "team_id", "actor", "action", "object", "result", "address", "detail")

_SQLITE = (
    f"""
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    WHEN OLD.seq IS NOT NULL OR {" OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in _WRITTEN)}
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only: a row was about to be changed'); END
    """,
    """
    CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only: a row was about to be removed'); END
    """,
)

_POSTGRESQL = (
    """
    CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'the audit trail is append-only: % refused', TG_OP; END $$
    """,
    f"""
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit FOR EACH ROW
    WHEN (OLD.seq IS NOT NULL OR {" OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in _WRITTEN)})
    EXECUTE FUNCTION audit_is_append_only()
    """,
    """
    CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit FOR EACH ROW
    EXECUTE FUNCTION audit_is_append_only()
    """,
    """
    CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit FOR EACH STATEMENT
    EXECUTE FUNCTION audit_is_append_only()
    """,
)


def upgrade() -> None:
    # Not in a batch: that would copy the table on SQLite, and a copy has no triggers.
    op.add_column("audit", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.add_column("audit", sa.Column("previous_hash", sa.Text(), nullable=True))
    op.add_column("audit", sa.Column("hash", sa.Text(), nullable=True))
    op.create_index("ix_audit_seq", "audit", ["seq"], unique=True)
    op.create_index("ix_audit_team_id_seq", "audit", ["team_id", "seq"])
    unsealed = sa.text("seq IS NULL")
    op.create_index("ix_audit_unsealed", "audit", ["id"], sqlite_where=unsealed, postgresql_where=unsealed)
    for statement in _POSTGRESQL if op.get_bind().dialect.name == "postgresql" else _SQLITE:
        op.execute(sa.text(statement))


def downgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for name in ("audit_is_not_changed", "audit_is_not_removed"):
        op.execute(f"DROP TRIGGER {name}" + (" ON audit" if is_postgresql else ""))
    if is_postgresql:
        op.execute("DROP TRIGGER audit_is_not_emptied ON audit")
        op.execute("DROP FUNCTION audit_is_append_only()")
    for name in ("ix_audit_unsealed", "ix_audit_team_id_seq", "ix_audit_seq"):
        op.drop_index(name, "audit")
    for name in ("hash", "previous_hash", "seq"):
        op.drop_column("audit", name)
