"""Statements that take effect only if the rows allow it, and whether they did: so races end in the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import CursorResult, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

from leasehold_api.storage.writer import Transaction


def rows_changed(tx: Transaction, statement: Executable) -> int:
    """Execute an UPDATE or DELETE and return how many rows it changed."""
    return cast("CursorResult[Any]", tx.run(statement)).rowcount


def insert_unless_there(tx: Transaction, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same key is there; say whether it was inserted."""
    dialect = sqlite if tx.dialect == "sqlite" else postgresql
    statement = dialect.insert(table).values(dict(row)).on_conflict_do_nothing()
    # RETURNING, not the row count: SQLAlchemy does not keep that of an INSERT on PostgreSQL.
    return tx.run(statement.returning(*table.primary_key)).first() is not None
