"""Limits, and what waits for them, on both databases."""

from __future__ import annotations

from tests.api.contracts.limits import LimitsContract
from tests.api.contracts.nearness import NearnessContract
from tests.api.contracts.pools import PoolsContract
from tests.api.contracts.queue_timeouts import QueueTimeoutContract


class TestLimitsOnSqlite(LimitsContract):
    kind = "sqlite"


class TestLimitsOnPostgresql(LimitsContract):
    kind = "postgresql"


class TestNearnessOnSqlite(NearnessContract):
    kind = "sqlite"


class TestNearnessOnPostgresql(NearnessContract):
    kind = "postgresql"


class TestPoolsOnSqlite(PoolsContract):
    kind = "sqlite"


class TestPoolsOnPostgresql(PoolsContract):
    kind = "postgresql"


class TestQueueTimeoutOnSqlite(QueueTimeoutContract):
    kind = "sqlite"


class TestQueueTimeoutOnPostgresql(QueueTimeoutContract):
    kind = "postgresql"
