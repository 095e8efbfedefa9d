"""Tasks that wait without a slot, what people answer and what tasks keep: as promised, on both databases."""

from __future__ import annotations

from tests.api.contracts.waits import WaitsContract


class TestOnSqlite(WaitsContract):
    kind = "sqlite"


class TestOnPostgresql(WaitsContract):
    kind = "postgresql"
