"""How many instances of a mapped task one API process takes in per second, and whether the cost stays flat."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from benchmarks.figures import Aim, Figure
from benchmarks.floors import Floors
from leasehold_api.callers import AgentCaller
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_leases import SqlLeases
from leasehold_api.storage.sql_runs import SqlRuns
from leasehold_api.storage.tables import attempts, runs, task_instances
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, World, outcome, program

SLOTS = 64
RATE = 1000.0
FLAT = 1.2
OLD = 1_000_000
OLD_OF_A_RUN = 10_000

# What ended long ago, in runs of its own: made in the database, because a request each would take an hour.
_NUMBERS = "WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < {most}) SELECT n FROM c"
_EACH = f"({_NUMBERS.format(most=':runs')}) AS n, ({_NUMBERS.format(most=':each')}) AS m"
_OLD_RUNS = f"""
    INSERT INTO runs (id, {{into}})
    SELECT old.id || '_' || n.n, {{columns}} FROM runs old, ({_NUMBERS.format(most=":runs")}) AS n
     WHERE old.id = :run AND :each > 0
"""
_OLD_INSTANCES = f"""
    INSERT INTO task_instances (id, run_id, map_index, {{into}})
    SELECT old.id || '_' || n.n || '_' || m.n, old.run_id || '_' || n.n, m.n, {{columns}}
      FROM task_instances old, {_EACH}
     WHERE old.run_id = :run AND old.task = 'after'
"""
_OLD_ATTEMPTS = f"""
    INSERT INTO attempts (task_instance_id, {{into}})
    SELECT t.id || '_' || n.n || '_' || m.n, {{columns}}
      FROM task_instances t JOIN attempts old ON old.task_instance_id = t.id, {_EACH}
     WHERE t.run_id = :run AND t.task = 'after'
"""
_OLD = (
    (_OLD_RUNS, runs, {"id"}),
    (_OLD_INSTANCES, task_instances, {"id", "run_id", "map_index"}),
    (_OLD_ATTEMPTS, attempts, {"task_instance_id"}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """Completions per second: with few and with many instances in a run, and with many old ones in the tables."""

    expanding_s: float
    few: float
    many: float
    beside_old: float


def measure(home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Measure each database with a few and with many instances."""
    del home, floors
    sizes = (200, 1000, OLD_OF_A_RUN) if quick else (1000, 100_000, OLD)
    return [*_figures("SQLite", "sqlite", *sizes), *_figures("PostgreSQL", "postgresql", *sizes)]


def _figures(name: str, kind: str, few: int, many: int, old: int) -> list[Figure]:
    with open_database(kind) as (database, _):
        rates = asyncio.run(_rates(database, few, many, old))
    note = f"{many:,} no-op instances and a task after them; two agents of {SLOTS} slots at the store"
    return [
        Figure(
            name=f"mapped instances on {name}",
            value=rates.many,
            unit="completions/s",
            aim=Aim(value=RATE, at_most=False),
            note=note,
        ),
        Figure(
            name=f"cost of one of {many:,} in those of one of {few:,}, {name}",
            value=rates.few / rates.many,
            unit="",
            aim=Aim(value=FLAT),
        ),
        Figure(
            name=f"the same beside {old:,} old ones, {name}",
            value=rates.few / rates.beside_old,
            unit="",
            aim=Aim(value=FLAT),
            note=f"{few:,} instances again; the old ones have their attempts, and are of {old // OLD_OF_A_RUN} runs",
        ),
        Figure(
            name=f"expanding on {name}", value=1000 * rates.expanding_s, unit="ms", note=f"{many:,} instances at once"
        ),
    ]


async def _rates(database: Database, few: int, many: int, old: int) -> _Rates:
    world = await World(database).settle()
    plans = Plans(max_map_length=many)
    world.runs, world.leases = SqlRuns(database, plans), SqlLeases(database, plans)
    run, _, _ = await _run(world, "warm_up", SLOTS)
    small = max([(await _run(world, f"few_{turn}", few))[2] for turn in range(2)])
    _, expanding_s, large = await _run(world, "many", many)
    await database.write(lambda tx: _grow_old(tx, run, old))
    beside_old = max([(await _run(world, f"beside_{turn}", few))[2] for turn in range(2)])
    return _Rates(expanding_s=expanding_s, few=small, many=large, beside_old=beside_old)


def _grow_old(tx: Transaction, run: str, old: int) -> None:
    for statement, table, own in _OLD:
        names = [f'"{column.name}"' for column in table.columns if column.name not in own]
        filled = statement.format(into=", ".join(names), columns=", ".join(f"old.{name}" for name in names))
        tx.run(text(filled), {"run": run, "runs": old // OLD_OF_A_RUN, "each": OLD_OF_A_RUN})
    if tx.dialect == "postgresql":
        tx.run(text("ANALYZE"))


async def _run(world: World, dag: str, count: int) -> tuple[str, float, float]:
    """Return the run, how long the expansion took, and completions per second."""
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
    return run, expanded - began, sum(done) / took_s


async def _work(world: World, agent: AgentCaller, most: int) -> int:
    """Complete what there is, as fast as it comes; return how much that was."""
    done = 0
    while claims := await world.leases.claim(agent, most=min(SLOTS, most), now=world.now):
        ended = [outcome(claimed, EndingKind.SUCCESS, world.now, result=claimed.map_index) for claimed in claims]
        await world.leases.complete(agent, ended, now=world.now)
        done += len(ended)
    return done
