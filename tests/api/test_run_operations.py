"""Operations on runs keep their promises on both databases; in any order the counters are what the states say."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from leasehold_api.errors import ConflictError
from leasehold_api.leases.claimed import Claimed
from leasehold_protocol.v1.leases import EndingKind
from tests.api.contracts.operations import Hand, OperationsContract, require_counters_as_recounted
from tests.support.databases import open_database
from tests.support.world import TEAM, World, program

T = TypeVar("T")
TASKS = st.sampled_from("abcdef")


class TestOnSqlite(OperationsContract):
    kind = "sqlite"


class TestOnPostgresql(OperationsContract):
    kind = "postgresql"


class OperationMachine(RuleBasedStateMachine):
    """Agents work while a person retries, marks and cancels."""

    kind: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.runner = self.stack.enter_context(asyncio.Runner())
        database, _ = self.stack.enter_context(open_database(self.kind))
        self.world = self.do(World(database).settle())
        self.hand = Hand(self.world)
        self.held: list[Claimed] = []

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def attempt(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        with suppress(ConflictError):
            self.do(coroutine)

    @initialize()
    def begin(self) -> None:
        tasks = [
            program("a", retries=1, retry_delay_s=5),
            program("b"),
            program("c", "a", "b"),
            program("d", "a", trigger_rule="all_done"),
            program("e", "c", "d"),
            program("f", "e", trigger_rule="all_done"),
        ]
        self.run = self.do(self.world.run(*tasks))

    @rule(most=st.integers(1, 3))
    def claim(self, most: int) -> None:
        self.held += self.do(self.world.claim(most=most))

    @rule(which=st.integers(0, 9), ending=st.sampled_from(["success", "failed", "skipped", "cancelled", "retry"]))
    def end(self, which: int, ending: str) -> None:
        if self.held:
            claimed = self.held.pop(which % len(self.held))
            assert self.do(self.world.end(claimed, EndingKind(ending))) in {"recorded", "stale", "duplicate"}

    @rule()
    def time_passes(self) -> None:
        self.world.now += 10
        self.do(self.world.leases.queue_due(now=self.world.now))

    @rule()
    def retry_what_failed(self) -> None:
        self.attempt(self.hand.retry(self.run))

    @rule(task=TASKS, downstream=st.booleans())
    def retry(self, task: str, downstream: bool) -> None:
        self.attempt(self.hand.retry(self.run, task=task, downstream=downstream))

    @rule(task=TASKS, state=st.sampled_from(["success", "failed", "skipped"]))
    def mark(self, task: str, state: str) -> None:
        self.attempt(self.hand.mark(self.run, task, state))

    @rule(task=TASKS)
    def cancel_task(self, task: str) -> None:
        self.attempt(self.hand.cancel(self.run, task))

    @rule()
    def cancel(self) -> None:
        self.attempt(self.world.runs.cancel(TEAM, self.run, reason="enough", by=self.hand.by))

    @invariant()
    def the_counters_are_what_the_states_say(self) -> None:
        if hasattr(self, "run"):
            self.do(require_counters_as_recounted(self.world, self.run))

    def teardown(self) -> None:
        self.stack.close()


class SqliteMachine(OperationMachine):
    kind = "sqlite"


class PostgresqlMachine(OperationMachine):
    kind = "postgresql"


TestAnyOrderOnSqlite = pytest.mark.timeout(300)(SqliteMachine.TestCase)
TestAnyOrderOnPostgresql = pytest.mark.timeout(300)(PostgresqlMachine.TestCase)
TestAnyOrderOnSqlite.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrderOnPostgresql.settings = settings(
    max_examples=6, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
