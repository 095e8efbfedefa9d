"""The stores of schedules and backfills keep their promises on both databases."""

from __future__ import annotations

from tests.api.contracts.backfills import BackfillsContract
from tests.api.contracts.schedules import SchedulesContract


class TestSchedulesOnSqlite(SchedulesContract):
    kind = "sqlite"


class TestSchedulesOnPostgresql(SchedulesContract):
    kind = "postgresql"


class TestBackfillsOnSqlite(BackfillsContract):
    kind = "sqlite"


class TestBackfillsOnPostgresql(BackfillsContract):
    kind = "postgresql"
