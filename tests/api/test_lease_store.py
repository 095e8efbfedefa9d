"""The lease store keeps its promises on both databases."""

from __future__ import annotations

from tests.api.contracts.lease_store import LeaseStoreContract


class TestOnSqlite(LeaseStoreContract):
    kind = "sqlite"


class TestOnPostgresql(LeaseStoreContract):
    kind = "postgresql"
