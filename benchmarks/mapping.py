"""How many instances of a mapped task one API process takes in per second, and whether the cost stays flat."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from benchmarks.figures import Aim, Figure
from benchmarks.floors import Floors
from leasehold_api.callers import AgentCaller
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_leases import SqlLeases
from leasehold_api.storage.sql_runs import SqlRuns
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, World, outcome, program

SLOTS = 64
RATE = 1000.0
FLAT = 1.2


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure each database with a few and with many instances."""
    del home, floors
    few, many = (200, 1000) if quick else (1000, 10_000)
    return [*_figures("SQLite", "sqlite", few, many), *_figures("PostgreSQL", "postgresql", few, many)]


def _figures(name: str, kind: str, few: int, many: int) -> list[Figure]:
    with open_database(kind) as (database, _):
        expanding_s, small, large = asyncio.run(_rates(database, few, many))
    note = f"{many:,} no-op instances and a task after them; two agents of {SLOTS} slots at the store"
    return [
        Figure(
            name=f"mapped instances on {name}",
            value=large,
            unit="completions/s",
            aim=Aim(value=RATE, at_most=False),
            note=note,
        ),
        Figure(
            name=f"cost of one of {many:,} in those of one of {few:,}, {name}",
            value=small / large,
            unit="",
            aim=Aim(value=FLAT),
        ),
        Figure(name=f"expanding on {name}", value=1000 * expanding_s, unit="ms", note=f"{many:,} instances at once"),
    ]


async def _rates(database: Database, few: int, many: int) -> tuple[float, float, float]:
    """Return how long the expansion takes, and completions per second with few and with many instances."""
    world = await World(database).settle()
    plans = Plans(max_map_length=many)
    world.runs, world.leases = SqlRuns(database, plans), SqlLeases(database, plans)
    await _run(world, "warm_up", SLOTS)
    _, small = await _run(world, "few", few)
    expanding_s, large = await _run(world, "many", many)
    return expanding_s, small, large


async def _run(world: World, dag: str, count: int) -> tuple[float, float]:
    """Return how long the expansion took, and completions per second."""
    entry = program("work") | {
        "mapped": {"axes": [{"name": "N", "source": {"kind": "literal", "value": list(range(count))}}]},
        "needs": {"labels": {}, "connections": [], "runtime": "program"},
    }
    began = time.perf_counter()
    run = await world.run(entry, program("after", "work"), dag=dag)
    expanded = time.perf_counter()
    done = await asyncio.gather(_work(world, NORTH, count), _work(world, SOUTH, count))
    took_s = time.perf_counter() - expanded
    if sum(done) < count or (await world.look(run)).state != "success":
        raise RuntimeError(f"only {sum(done)} of {count} instances were completed")
    return expanded - began, sum(done) / took_s


async def _work(world: World, agent: AgentCaller, most: int) -> int:
    """Complete what there is, as fast as it comes; return how much that was."""
    done = 0
    while claims := await world.leases.claim(agent, most=min(SLOTS, most), now=world.now):
        ended = [outcome(claimed, EndingKind.SUCCESS, world.now, result=claimed.map_index) for claimed in claims]
        await world.leases.complete(agent, ended, now=world.now)
        done += len(ended)
    return done
