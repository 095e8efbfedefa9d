"""The rules of a run in one process are the API's."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold.runtime.in_memory import run_objects
from leasehold.runtime.rules.endings import ENDING_KINDS, Ending
from leasehold.testing import flow, waits
from leasehold.testing.retry_delays import retry_delay_s
from leasehold_api.dags.relations import Relations
from leasehold_api.runs.endings import Again, Effort, judge
from leasehold_api.runs.flow import Upstream, final_run_state, state_after_upstream
from leasehold_api.runs.retry_delays import RetryDelays
from leasehold_api.runs.waiting import MOST_WAITS
from leasehold_protocol.v1.leases import EndingKind
from leasehold_protocol.v1.manifest import Manifest, RetryBackoff, TriggerRule
from leasehold_protocol.v1.runs import RunState, TaskState
from tests.support.world import program

FINAL = ("success", "failed", "skipped", "upstream_failed")


@pytest.mark.parametrize("rule", list(TriggerRule))
def test_a_task_may_run_when_the_api_says_so(rule: TriggerRule) -> None:
    # The setups among several tasks, in one process as in the API: those further up, or of a teardown those before it.
    for count, setups in product(range(4), [(), *product(FINAL, repeat=1), *product(FINAL, repeat=2)]):
        for states, waits_for in product(combinations_with_replacement(FINAL, count), (0, 1)):
            upstream = Upstream.of([*map(TaskState, states), *[TaskState.RUNNING] * waits_for])

            expected = state_after_upstream(rule, upstream, Upstream.of(map(TaskState, setups)))

            found = flow.state_before(rule.value, states, waits_for=waits_for, setups=setups)
            assert found == expected.value, (states, waits_for, setups)


ROLES = st.lists(st.sampled_from(["work", "work", "work", "setup", "teardown", "fails_run"]), min_size=1, max_size=9)


@given(ROLES, st.data())
def test_the_same_setups_and_leaves_decide(roles: list[str], data: st.DataObject) -> None:
    upstream = {
        f"t{number}": [f"t{other}" for other in range(number) if data.draw(st.booleans())]
        for number in range(len(roles))
    }
    named = {name: "teardown" if role == "fails_run" else role for name, role in zip(upstream, roles, strict=True)}
    entries = [
        program(name, *upstream[name], role=named[name], fails_run=role == "fails_run")
        for name, role in zip(upstream, roles, strict=True)
    ]
    relations = Relations(Manifest.model_validate({"dag": "d", "tasks": entries}))
    states = {name: data.draw(st.sampled_from(FINAL)) for name in upstream}
    ignored = [name for name, role in zip(upstream, roles, strict=True) if role == "teardown"]

    for name in upstream:
        assert flow.setups_of(name, upstream, named) == set(relations.setups.get(name, ()))
        assert flow.all_after([name], upstream) - {name} == set(relations.all_after(name))
    leaves = [TaskState(states[name]) for name in relations.leaves]
    assert flow.run_state(upstream, states, ignored) == final_run_state(leaves, cancelled=False).value


@pytest.mark.parametrize("kind", [*ENDING_KINDS, "timed_out"])
@pytest.mark.parametrize("tries", [1, 2, 3])
def test_an_ending_means_what_it_means_to_the_api(kind: str, tries: int) -> None:
    effort = Effort(tries=tries - 1, losses=0, retries=2, delays=RetryDelays(first_s=30.0))

    expected = judge(EndingKind(kind), message=None, retry_after_s=None, effort=effort, cancel_reason=None, now=0.0)

    assert flow.state_after(Ending(kind=kind), tries=tries, retries=2) == expected.state.value


@pytest.mark.parametrize(("kind", "resumed"), [("rescheduled", "reschedule"), ("deferred", "defer")])
def test_what_goes_on_later_spends_no_try(kind: str, resumed: str) -> None:
    effort = Effort(tries=2, losses=0, retries=2, delays=RetryDelays(first_s=30.0))
    again = Again(due_at=60.0, resumed=resumed)

    expected = judge(
        EndingKind(kind), message=None, retry_after_s=None, effort=effort, cancel_reason=None, now=0.0, again=again
    )

    assert expected.tries == 2
    assert flow.state_after(Ending(kind=kind, again={}), tries=2, retries=2) == expected.state.value


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"retry_delay_s": 5.0},
        {"retry_backoff": "exponential"},
        {"retry_backoff": "exponential", "retry_delay_s": 0.5, "max_retry_delay_s": 60.0},
    ],
)
@pytest.mark.parametrize("tries", [1, 2, 3, 9, 2000])
def test_a_retry_waits_as_long_as_the_api_lets_it(said: dict[str, Any], tries: int) -> None:
    delays = RetryDelays(
        first_s=said.get("retry_delay_s", 30.0),
        backoff=RetryBackoff(said.get("retry_backoff", "constant")),
        longest_s=said.get("max_retry_delay_s", 86400.0),
    )

    assert retry_delay_s(said, tries=tries, instance="test.load") == delays.after(tries, instance="test.load")


def test_an_exponential_delay_doubles_is_a_little_less_by_chance_and_has_an_end() -> None:
    delays = RetryDelays(first_s=10.0, backoff=RetryBackoff.EXPONENTIAL, longest_s=100.0)
    whole = [10.0, 20.0, 40.0, 80.0, 100.0, 100.0]

    found = [delays.after(tries, instance="ti_1") for tries in range(1, 7)]

    assert all(0.75 * most <= delay <= most for delay, most in zip(found, whole, strict=True))
    assert found == [delays.after(tries, instance="ti_1") for tries in range(1, 7)], "the same each time"
    assert found[0] != delays.after(1, instance="ti_2"), "others come back at another time"


def test_a_task_waits_for_as_many_things_as_the_api_allows() -> None:
    assert waits.MOST_WAITS == MOST_WAITS


def test_runs_and_tasks_have_the_states_of_the_protocol() -> None:
    assert set(run_objects.RUN_STATES) == set(RunState)
    assert set(run_objects.TASK_STATES) == set(TaskState)


@pytest.mark.parametrize("states", list(product(FINAL, repeat=2)))
def test_a_run_ends_as_the_api_says(states: tuple[str, str]) -> None:
    upstream = {"read": [], "north": ["read"], "south": ["read"]}

    found = flow.run_state(upstream, {"read": "failed", "north": states[0], "south": states[1]})

    assert found == final_run_state(map(TaskState, states), cancelled=False).value


def test_tasks_come_after_those_they_wait_for_otherwise_as_written() -> None:
    upstream = {"c": ["b"], "a": [], "b": ["a"], "d": []}

    assert list(flow.in_order(upstream)) == ["a", "b", "c", "d"]
