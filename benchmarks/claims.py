"""What a claim and an ending cost with few and many task instances queued, and with most of them behind a full pool."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from benchmarks.figures import Aim, Figure, Floor
from benchmarks.floors import Floors
from leasehold_api.storage.database import Database, make_engine
from leasehold_api.storage.tables import metadata
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import fresh_postgresql
from tests.support.world import NORTH, World, outcome, program

FEW, MANY = 1_000, 100_000
AT_ONCE = 16
FLAT = 1.2

# Copies of the run's own task instances: made in the database, because a request each would take an hour.
_MULTIPLY = text("""
    INSERT INTO task_instances (id, run_id, dag_version_id, team_id, task, position, map_index, state, priority,
                                placement_id, waits_for, lease_length_s, queued_at, line_id, blocked_on)
    SELECT t.id || '_' || n.n, t.run_id, t.dag_version_id, t.team_id, t.task, t.position, n.n, 'queued', t.priority,
           t.placement_id, 0, t.lease_length_s, t.queued_at + 0.001 * n.n, t.line_id, t.line_id
      FROM task_instances t, (WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < :times)
           SELECT n FROM c) AS n
     WHERE t.task = :task AND t.map_index = -1
""")


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure each database."""
    home.mkdir()
    del floors
    many = MANY // 10 if quick else MANY
    figures = _figures(f"sqlite:///{home / 'claims.db'}", "SQLite", many)
    with fresh_postgresql() as url:
        return figures + _figures(url, "PostgreSQL", many)


def _figures(url: str, name: str, many: int) -> list[Figure]:
    few = min(_cost(url, free=FEW, pooled=0) for _ in range(2))
    full = min(_cost(url, free=many, pooled=0) for _ in range(2))
    blocked = min(_cost(url, free=many // 10, pooled=many * 9 // 10) for _ in range(2))
    few_behind = min(_cost(url, free=0, pooled=FEW) for _ in range(2))
    many_behind = min(_cost(url, free=0, pooled=many) for _ in range(2))
    return [
        _figure(f"a task, {FEW} queued, {name}", few, None),
        _figure(f"a task, {many} queued, {name}", full, few),
        _figure(f"a task, {many} queued and 90 % behind a full pool, {name}", blocked, few),
        _figure(f"a task of a pool, {FEW} behind it, {name}", few_behind, None),
        _figure(f"a task of a pool, {many} behind it, {name}", many_behind, few_behind),
    ]


def _figure(name: str, cost_us: float, before: float | None) -> Figure:
    return Figure(
        name=name,
        value=cost_us,
        unit="µs",
        floor=Floor(name="with few", value=before) if before else None,
        aim=Aim(value=before * FLAT) if before else None,
        note=f"claim and ending, {AT_ONCE} at once",
    )


def _cost(url: str, *, free: int, pooled: int) -> float:
    with _world(url) as world:
        return asyncio.run(_measure(world, free, pooled))


@contextmanager
def _world(url: str) -> Generator[World]:
    engine = make_engine(url)
    metadata.drop_all(engine)
    metadata.create_all(engine)
    database = Database(engine, publish=lambda _signals: None)
    try:
        yield World(database)
    finally:
        database.close()


async def _measure(world: World, free: int, pooled: int) -> float:
    await world.settle()
    await world.pool("db", 0)  # what is copied into its line is admitted when it gets slots
    await world.run(program("pooled", pool="db"), program("free"))

    def fill(tx: Transaction) -> None:
        for task, times in (("pooled", pooled), ("free", free)):
            if times:
                tx.run(_MULTIPLY, {"task": task, "times": times})
        tx.run(text("UPDATE runs SET open_tasks = open_tasks + :more"), {"more": free + pooled})
        if tx.dialect == "postgresql":
            tx.run(text("ANALYZE"))

    await world.database.write(fill)
    if not free:
        await world.pool("db", AT_ONCE)
    await _work(world, 8)  # warm
    return statistics.median(await _work(world, 48)) * 1e6


async def _work(world: World, rounds: int) -> list[float]:
    """Claim and end; return how many seconds each round took for one task."""
    took: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        taken = await world.claim(most=AT_ONCE)
        outcomes = [outcome(claimed, EndingKind.SUCCESS, world.now) for claimed in taken]
        await world.leases.complete(NORTH, outcomes, now=world.now)
        took.append((time.perf_counter() - began) / len(taken))
    return took
