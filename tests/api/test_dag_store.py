"""The DAG store keeps its promises on both databases."""

from __future__ import annotations

from tests.api.contracts.dag_store import DagStoreContract


class TestOnSqlite(DagStoreContract):
    kind = "sqlite"


class TestOnPostgresql(DagStoreContract):
    kind = "postgresql"
