"""Why something does not run is answered on both databases; every state has its answer."""

from __future__ import annotations

import pytest

from leasehold_api.runs.why import SiteFacts, TaskFacts, why
from leasehold_protocol.v1.runs import TaskState
from leasehold_protocol.v1.why import WhyKind, WhyReason
from tests.api.contracts.why import WhyContract


class TestOnSqlite(WhyContract):
    kind = "sqlite"


class TestOnPostgresql(WhyContract):
    kind = "postgresql"


@pytest.mark.parametrize("state", TaskState)
def test_every_state_has_an_answer(state: TaskState) -> None:
    answer = why(TaskFacts(task_instance="ti_1", task="read", map_index=-1, state=state), now=0)

    assert answer.summary
    assert len(answer.reasons) == 1


def test_a_limit_that_is_reached_comes_before_a_site_that_would_take_it() -> None:
    limit = WhyReason(kind=WhyKind.LIMITED, message="pool press is full")
    facts = TaskFacts(task_instance="ti_1", task="read", map_index=-1, state=TaskState.QUEUED, limits=[limit])

    answer = why(facts, now=0)

    assert answer.reasons[0] is limit


def test_a_site_without_agents_says_how_one_gets_there() -> None:
    facts = TaskFacts(
        task_instance="ti_1", task="read", map_index=-1, state=TaskState.QUEUED, sites=[SiteFacts(name="plant")]
    )

    assert why(facts, now=0).summary == "site plant has no agent: leasehold tokens issue plant"
