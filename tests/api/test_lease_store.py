"""The lease store keeps its promises on both databases."""

from __future__ import annotations

from tests.api.contracts.lease_ends import LeaseEndsContract
from tests.api.contracts.lease_store import LeaseStoreContract


class TestLeaseEndsOnSqlite(LeaseEndsContract):
    kind = "sqlite"


class TestLeaseEndsOnPostgresql(LeaseEndsContract):
    kind = "postgresql"


class TestLeaseStoreOnSqlite(LeaseStoreContract):
    kind = "sqlite"


class TestLeaseStoreOnPostgresql(LeaseStoreContract):
    kind = "postgresql"
