"""Whatever happens in whatever order: never two live epochs of a task instance, never two effects.

A model of what may be true runs beside the real stores: claim, renew, expire, crash, complete, late complete, cancel,
deliver twice. Hypothesis looks for an order of events that the two disagree about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from sqlalchemy import text

from leasehold_api.acting import By
from leasehold_api.callers import AgentCaller
from leasehold_api.errors import ConflictError
from leasehold_api.leases.claimed import Claimed
from leasehold_protocol.v1.leases import EndingKind, HeldLease
from leasehold_protocol.v1.runs import TaskState
from tests.support.databases import open_database
from tests.support.world import NORTH, SOUTH, TEAM, World, outcome, program

T = TypeVar("T")
LENGTH_S = 60.0
ENDINGS = st.sampled_from([EndingKind.SUCCESS, EndingKind.FAILED, EndingKind.LOST, EndingKind.RETRY])
AGENTS = st.sampled_from([NORTH, SOUTH])


@dataclass
class Lease:
    """A lease as its agent remembers it."""

    claimed: Claimed
    holder: AgentCaller
    delivered: EndingKind | None = None


@dataclass
class Model:
    """What must be true of the stores."""

    leases: list[Lease] = field(default_factory=list)
    effects: dict[str, int] = field(default_factory=dict)
    """Task instance → the epoch whose success took effect."""


class LeaseMachine(RuleBasedStateMachine):
    """One team, two agents, one run at a time."""

    kind: ClassVar[str]
    leases = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.runner = self.stack.enter_context(asyncio.Runner())
        database, _ = self.stack.enter_context(open_database(self.kind))
        self.world = self.do(World(database).settle())
        self.model = Model()
        self.cancelled = False

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @initialize()
    def begin(self) -> None:
        tasks = [
            program("a", retries=1, retry_delay_s=10, max_offline_s=LENGTH_S),
            program("b", max_offline_s=LENGTH_S),
            program("c", "a", "b", max_offline_s=LENGTH_S),
            program("d", "a", trigger_rule="all_done", max_offline_s=LENGTH_S),
        ]
        self.run = self.do(self.world.run(*tasks))

    @rule(target=leases, agent=AGENTS, most=st.integers(1, 3))
    def claim(self, agent: AgentCaller, most: int) -> Any:
        return multiple(*self._claim(agent, most))

    def _claim(self, agent: AgentCaller, most: int) -> list[Lease]:
        taken = [Lease(claimed, agent) for claimed in self.do(self.world.claim(agent, most))]
        for lease in taken:
            older = [one for one in self.model.leases if one.claimed.task_instance == lease.claimed.task_instance]
            assert all(one.claimed.epoch < lease.claimed.epoch for one in older), "an epoch was given twice"
            assert lease.claimed.task_instance not in self.model.effects, "what succeeded was leased again"
        self.model.leases += taken
        return taken

    @rule(target=leases, agent=AGENTS)
    def hand_over(self, agent: AgentCaller) -> Any:
        """Every agent falls silent for longer than its leases last; then one comes back and takes what it can."""
        self._let_pass(61)
        return multiple(*self._claim(agent, 3))

    @rule(lease=leases)
    def renew(self, lease: Lease) -> None:
        held = [HeldLease(attempt=lease.claimed.attempt)]
        (renewed,) = self.do(self.world.leases.renew(lease.holder, held, now=self.world.now))

        if self._newest(lease) is not lease or lease.delivered is not None:
            assert renewed.renewal.verdict == "lost"

    @rule(lease=leases, ending=ENDINGS)
    def complete(self, lease: Lease, ending: EndingKind) -> None:
        (ack,) = self.do(
            self.world.leases.complete(
                lease.holder, [outcome(lease.claimed, ending, self.world.now, lease.claimed.epoch)], now=self.world.now
            )
        )

        if lease.delivered is not None:
            assert ack.verdict == "duplicate"
        if self._newest(lease) is not lease:
            assert ack.verdict in {"stale", "duplicate"}
        if ack.verdict == "recorded":
            if ending is EndingKind.SUCCESS:
                assert lease.claimed.task_instance not in self.model.effects, "two effects"
                self.model.effects[lease.claimed.task_instance] = lease.claimed.epoch
            lease.delivered = ending
        elif ack.verdict == "stale":
            lease.delivered = ending

    @rule(lease=leases, ending=ENDINGS)
    def complete_through_another_agent(self, lease: Lease, ending: EndingKind) -> None:
        other = SOUTH if lease.holder is NORTH else NORTH

        verdict = self.do(self.world.end(lease.claimed, ending, by=other))

        assert verdict == "refused"

    @rule(agent=AGENTS)
    def crash(self, agent: AgentCaller) -> None:
        """The agent comes back with an empty disk."""
        self.do(self.world.leases.resume(agent, [], now=self.world.now))

    @rule(seconds=st.sampled_from([1, 20, 61]))
    def time_passes(self, seconds: int) -> None:
        self._let_pass(seconds)

    def _let_pass(self, seconds: int) -> None:
        self.world.now += seconds
        self.do(self.world.leases.expire(now=self.world.now))
        self.do(self.world.leases.queue_due(now=self.world.now))

    @precondition(lambda self: len(self.model.leases) >= 4)
    @rule()
    def cancel(self) -> None:
        try:
            self.do(self.world.runs.cancel(TEAM, self.run, reason="enough", by=By(actor="tester", at=self.world.now)))
        except ConflictError:
            return
        self.cancelled = True

    @invariant()
    def at_most_one_live_lease_each(self) -> None:
        if not hasattr(self, "run"):
            return
        rows = self._rows()
        for row in rows:
            if row.state == TaskState.RUNNING:
                assert row.agent_id is not None
                assert row.expires_at is not None
        taken = {lease.claimed.task_instance: lease.claimed.epoch for lease in self.model.leases}
        assert all(taken.get(row.id, 0) == row.epoch for row in rows), "an epoch nobody was given"

    @invariant()
    def what_took_effect_stands(self) -> None:
        if not hasattr(self, "run"):
            return
        tasks = self.do(self.world.look(self.run)).tasks
        for task in tasks:
            if (epoch := self.model.effects.get(task.task_instance)) is not None:
                assert task.state == TaskState.SUCCESS
                assert task.result == epoch, "the result is another attempt's"
            elif not self.cancelled:
                assert task.state != TaskState.SUCCESS

    @invariant()
    def the_counters_agree_with_the_states(self) -> None:
        if not hasattr(self, "run"):
            return
        detail = self.do(self.world.look(self.run))
        ended = {task.task: task.state.is_final for task in detail.tasks}
        rows = {row.task: row for row in self._rows()}
        for task in detail.tasks:
            if task.state == TaskState.NONE:
                assert rows[task.task].waits_for == sum(not ended[upstream] for upstream in task.upstream) > 0
        assert detail.state.is_final == all(ended.values())

    def teardown(self) -> None:
        self.stack.close()

    def _newest(self, lease: Lease) -> Lease:
        same = [one for one in self.model.leases if one.claimed.task_instance == lease.claimed.task_instance]
        return max(same, key=lambda one: one.claimed.epoch)

    def _rows(self) -> list[Any]:
        query = text("SELECT * FROM task_instances WHERE run_id = :run")
        return list(self.do(self.world.database.read(lambda c: c.execute(query, {"run": self.run}).all())))


class SqliteMachine(LeaseMachine):
    kind = "sqlite"


class PostgresqlMachine(LeaseMachine):
    kind = "postgresql"


TestOnSqlite = pytest.mark.timeout(300)(SqliteMachine.TestCase)
TestOnPostgresql = pytest.mark.timeout(300)(PostgresqlMachine.TestCase)
TestOnSqlite.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOnPostgresql.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
