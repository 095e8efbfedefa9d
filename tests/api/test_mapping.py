"""Mapped tasks on both databases."""

from __future__ import annotations

from tests.api.contracts.mapping import MappingContract


class TestSqliteMapping(MappingContract):
    kind = "sqlite"


class TestPostgresqlMapping(MappingContract):
    kind = "postgresql"
