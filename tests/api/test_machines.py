"""What agents' machines can run decides on both databases where work goes."""

from __future__ import annotations

from tests.api.contracts.machines import MachinesContract


class TestOnSqlite(MachinesContract):
    kind = "sqlite"


class TestOnPostgresql(MachinesContract):
    kind = "postgresql"
