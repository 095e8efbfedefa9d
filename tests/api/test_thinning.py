"""Logs, XComs and metrics go before their runs as promised, on both databases."""

from __future__ import annotations

from sqlalchemy import text

from leasehold_api.storage import sql_thinning
from tests.api.contracts.thinning import ThinningContract
from tests.support.world import World


class TestOnSqlite(ThinningContract):
    kind = "sqlite"

    async def test_what_is_due_is_found_by_an_index(self, world: World) -> None:
        names = ("dag", "before", "after", "after_run", "newest", "newest_ended", "most")
        query = text(f"EXPLAIN QUERY PLAN {sql_thinning._NEXT.text}")

        plan = await world.database.read(lambda c: c.execute(query, dict.fromkeys(names, 1)).all())

        assert any("ix_runs_retention (dag_id=? AND ended_at>? AND ended_at<?)" in row.detail for row in plan)


class TestOnPostgresql(ThinningContract):
    kind = "postgresql"
