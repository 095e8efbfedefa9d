"""The flow of runs: as promised, on both databases."""

from __future__ import annotations

from tests.api.contracts.flow_of_runs import FlowContract


class TestOnSqlite(FlowContract):
    kind = "sqlite"


class TestOnPostgresql(FlowContract):
    kind = "postgresql"
