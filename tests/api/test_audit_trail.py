"""The audit trail keeps its promises on both databases."""

from __future__ import annotations

from sqlalchemy import Engine, func, select

from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_trail import ONE_SEALER, SqlTrail
from tests.api.contracts.audit_trail import AuditTrailContract


class TestOnSqlite(AuditTrailContract):
    kind = "sqlite"


class TestOnPostgresql(AuditTrailContract):
    kind = "postgresql"

    async def test_while_one_process_seals_another_leaves_it_alone(
        self, two: list[Database], tampering: Engine
    ) -> None:
        await self.add(two[0], "north")
        await SqlTrail(two[0]).seal()
        await self.add(two[0], "south")
        with tampering.connect() as other:
            other.execute(select(func.pg_advisory_xact_lock(ONE_SEALER)))

            assert await SqlTrail(two[0]).seal() is True, "it comes again"
            assert await SqlTrail(two[0]).head() == 1

        assert await SqlTrail(two[1]).seal() is False
        assert await SqlTrail(two[1]).head() == 2
