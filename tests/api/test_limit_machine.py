"""Whatever happens in whatever order: no limit is exceeded, no slot is lost, and nobody who could start is forgotten.

Hypothesis starts and cancels runs of DAGs with pools and limits of every kind, changes pools, claims, ends, loses and
forgets leases, and lets time pass. After every step the books are compared with the task instances.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine
from contextlib import ExitStack
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text

from leasehold_api.acting import By
from leasehold_api.callers import AgentCaller
from leasehold_api.errors import ConflictError
from leasehold_api.leases.claimed import Claimed
from leasehold_protocol.v1.leases import EndingKind
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, TEAM, World, program

T = TypeVar("T")
LENGTH_S = 60.0
AGENTS = st.sampled_from([NORTH, SOUTH])
ENDINGS = st.sampled_from(
    [
        (EndingKind.SUCCESS, {}),
        (EndingKind.FAILED, {}),
        (EndingKind.LOST, {}),
        (EndingKind.RESCHEDULED, {"again_after_s": 20}),
        (EndingKind.DEFERRED, {"wait": {"key": "later", "kind": "time", "after_s": 20}}),
    ]
)
DAGS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "pooled": (
        [
            program("a", pool="db", max_offline_s=LENGTH_S),
            program("b", pool="db", pool_slots=2, retries=1, retry_delay_s=10, max_offline_s=LENGTH_S),
            program("c", "a", pool="files", priority=5, max_offline_s=LENGTH_S),
        ],
        {"max_active_tasks": 2},
    ),
    "narrow": (
        [
            program("a", pool="db", max_active_tis_per_dag=1, queue_timeout_s=100, max_offline_s=LENGTH_S),
            program("b", pool="files", max_offline_s=LENGTH_S),
            program("c", "a", "b", trigger_rule="all_done", max_offline_s=LENGTH_S),
        ],
        {"max_active_tasks_per_dag": 2, "max_active_tasks": 1},
    ),
    "free": ([program("a", max_offline_s=LENGTH_S), program("b", "a", pool="db", max_offline_s=LENGTH_S)], {}),
}


class LimitMachine(RuleBasedStateMachine):
    """One team, two agents, many runs."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.runner = self.stack.enter_context(asyncio.Runner())
        database, _ = self.stack.enter_context(open_database(self.kind))
        self.world = self.do(World(database).settle())
        self.leases: list[tuple[Claimed, AgentCaller]] = []
        self.runs: list[str] = []
        self.shrunk: set[str] = set()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize(slots=st.integers(0, 3))
    def begin(self, slots: int) -> None:
        self.do(self.world.pool("db", slots))

    @rule(dag=st.sampled_from(list(DAGS)))
    def start(self, dag: str) -> None:
        tasks, more = DAGS[dag]
        self.runs.append(self.do(self.world.run(*tasks, dag=dag, **more)))

    @rule(pool=st.sampled_from(["db", "files"]), slots=st.integers(0, 4))
    def set_pool(self, pool: str, slots: int) -> None:
        self.shrunk.add(f"pool {TEAM} {pool}")
        self.do(self.world.pool(pool, slots))

    @rule(agent=AGENTS, most=st.integers(1, 4))
    def claim(self, agent: AgentCaller, most: int) -> None:
        self.leases += [(claimed, agent) for claimed in self.do(self.world.claim(agent, most))]

    @rule(which=st.integers(0, 30), ending=ENDINGS)
    def end(self, which: int, ending: tuple[EndingKind, dict[str, Any]]) -> None:
        """End an attempt, of now or of long ago."""
        if self.leases:
            claimed, agent = self.leases[which % len(self.leases)]
            kind, more = ending
            self.do(self.world.end(claimed, kind, by=agent, **more))

    @rule(agent=AGENTS)
    def crash(self, agent: AgentCaller) -> None:
        self.do(self.world.leases.resume(agent, [], now=self.world.now))

    @rule(seconds=st.sampled_from([1, 20, 61]))
    def time_passes(self, seconds: int) -> None:
        self.world.now += seconds
        self.do(self.world.leases.expire(now=self.world.now))
        self.do(self.world.leases.queue_due(now=self.world.now))

    @rule(which=st.integers(0, 30))
    def cancel(self, which: int) -> None:
        if self.runs:
            run = self.runs[which % len(self.runs)]
            try:
                self.do(self.world.runs.cancel(TEAM, run, reason="enough", by=By(actor="tester", at=self.world.now)))
            except ConflictError:
                return

    @invariant()
    def the_books_are_right(self) -> None:
        instances = {row.id: row for row in self._rows("SELECT * FROM task_instances")}
        limits = {row.id: row for row in self._rows("SELECT * FROM limits")}
        passes: defaultdict[str, list[Any]] = defaultdict(list)
        for row in self._rows("SELECT * FROM line_limits"):
            passes[row.line_id].append(row)
        holds = self._rows("SELECT * FROM limit_holds")

        held: Counter[str] = Counter()
        held_by: defaultdict[str, set[str]] = defaultdict(set)
        for hold in holds:
            held[hold.limit_id] += hold.slots
            held_by[hold.task_instance_id].add(hold.limit_id)
        for limit in limits.values():
            assert held[limit.id] == limit.used, "the count is what is held"
            assert limit.used <= limit.most or limit.id in self.shrunk, f"{limit.id} is exceeded"
        for one in instances.values():
            goes = one.line_id is not None and (
                one.state == "running" or (one.state == "queued" and one.blocked_on is None)
            )
            needed = {row.limit_id for row in passes[one.line_id]} if goes else set()
            assert held_by.get(one.id, set()) == needed, f"{one.task} is {one.state} and holds {held_by.get(one.id)}"
        stands_at = {row.id: row.stands_at for row in self._rows("SELECT * FROM lines")}
        for one in instances.values():
            if one.state == "queued" and one.blocked_on is not None:
                full = {row.limit_id for row in passes[one.line_id] if self._is_full(limits[row.limit_id], row.slots)}
                assert full, f"{one.task} could start, and waits"
                assert stands_at[one.line_id] in full, "its line stands where nobody looks"

    def teardown(self) -> None:
        self.stack.close()

    @staticmethod
    def _is_full(limit: Any, slots: int) -> bool:
        return bool(limit.used + slots > limit.most)

    def _rows(self, query: str) -> list[Any]:
        return list(self.do(self.world.database.read(lambda c: c.execute(text(query)).all())))


class SqliteMachine(LimitMachine):
    kind = "sqlite"


class PostgresqlMachine(LimitMachine):
    kind = "postgresql"


TestOnSqlite = pytest.mark.timeout(300)(SqliteMachine.TestCase)
TestOnPostgresql = pytest.mark.timeout(300)(PostgresqlMachine.TestCase)
TestOnSqlite.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOnPostgresql.settings = settings(
    max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
