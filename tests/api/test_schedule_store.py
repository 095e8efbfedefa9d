"""The stores of schedules and backfills keep their promises on both databases."""

from __future__ import annotations

from tests.api.contracts.schedules import SchedulesContract


class TestOnSqlite(SchedulesContract):
    kind = "sqlite"


class TestOnPostgresql(SchedulesContract):
    kind = "postgresql"
