"""After a restore nothing runs twice, on both databases."""

from __future__ import annotations

from tests.api.contracts.restored import RestoredContract


class TestOnSqlite(RestoredContract):
    kind = "sqlite"


class TestOnPostgresql(RestoredContract):
    kind = "postgresql"
