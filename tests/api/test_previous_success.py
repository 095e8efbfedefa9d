"""The last run that succeeded comes with leases on both databases."""

from __future__ import annotations

from tests.api.contracts.previous_success import PreviousSuccessContract


class TestOnSqlite(PreviousSuccessContract):
    kind = "sqlite"


class TestOnPostgresql(PreviousSuccessContract):
    kind = "postgresql"
