"""Limits, on both databases."""

from __future__ import annotations

from tests.api.contracts.limits import LimitsContract


class TestOnSqlite(LimitsContract):
    kind = "sqlite"


class TestOnPostgresql(LimitsContract):
    kind = "postgresql"
