"""The audit trail keeps its promises on both databases."""

from __future__ import annotations

from tests.api.contracts.audit_trail import AuditTrailContract


class TestOnSqlite(AuditTrailContract):
    kind = "sqlite"


class TestOnPostgresql(AuditTrailContract):
    kind = "postgresql"
