"""Trigger rules: decided from counters as by definition, in whatever order the tasks before end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_api.runs.flow import UNSUCCESSFUL, Upstream, state_after_upstream, stays_skipped
from leasehold_protocol.v1.manifest import TriggerRule
from leasehold_protocol.v1.runs import TaskState

S, F, U, K = TaskState.SUCCESS, TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.SKIPPED
ENDS = (S, F, U, K)
NONE, RUNS = TaskState.NONE, TaskState.QUEUED

# What each rule says of the states of the tasks that have ended, and whether all have: in words, without counters.
Definition = Callable[[Sequence[TaskState], bool], TaskState]


def _when_all_ended(runs_if: Callable[[Sequence[TaskState]], bool], otherwise: TaskState = RUNS) -> Definition:
    return lambda ended, whole: NONE if not whole else RUNS if runs_if(ended) else otherwise


def _unless(*first: tuple[set[TaskState], TaskState], then: Definition) -> Definition:
    def decide(ended: Sequence[TaskState], whole: bool) -> TaskState:
        return next((result for spoils, result in first if spoils & set(ended)), then(ended, whole))

    return decide


def _as_soon_as(one: set[TaskState], otherwise: Callable[[Sequence[TaskState]], TaskState]) -> Definition:
    return lambda ended, whole: RUNS if one & set(ended) else otherwise(ended) if whole else NONE


ALWAYS: Definition = _when_all_ended(lambda _: True)
RULES: dict[TriggerRule, Definition] = {
    TriggerRule.ALL_SUCCESS: _unless(({F, U}, U), ({K}, K), then=ALWAYS),
    TriggerRule.ALL_FAILED: _unless(({S, K}, K), then=ALWAYS),
    TriggerRule.ALL_DONE: ALWAYS,
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: _unless(({K}, K), then=_when_all_ended(lambda ended: S in ended, U)),
    TriggerRule.ALL_SKIPPED: _unless(({S, F, U}, K), then=ALWAYS),
    TriggerRule.ONE_SUCCESS: _as_soon_as({S}, lambda ended: K if set(ended) == {K} else U),
    TriggerRule.ONE_FAILED: _as_soon_as({F, U}, lambda _: K),
    TriggerRule.ONE_DONE: _as_soon_as({S, F}, lambda _: K),
    TriggerRule.NONE_FAILED: _unless(({F, U}, U), then=ALWAYS),
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: _unless(({F, U}, U), then=_when_all_ended(lambda ended: S in ended, K)),
    TriggerRule.NONE_SKIPPED: _unless(({K}, K), then=ALWAYS),
    TriggerRule.ALWAYS: lambda _ended, _whole: RUNS,
    TriggerRule.ALL_DONE_SETUP_SUCCESS: ALWAYS,
}


def test_every_rule_has_a_definition() -> None:
    assert set(RULES) == set(TriggerRule)


@pytest.mark.parametrize("rule", RULES)
def test_counting_decides_as_the_definition_does_after_every_arrival_in_every_order(rule: TriggerRule) -> None:
    for number in range(1, 5):
        for arrivals in product(ENDS, repeat=number):
            for so_far in range(number + 1):
                ended = arrivals[:so_far]

                found = state_after_upstream(rule, _counted(ended, waits_for=number - so_far))

                assert found is RULES[rule](ended, so_far == number), (ended, number)


@given(st.sampled_from(list(RULES)), st.lists(st.sampled_from(ENDS), min_size=1, max_size=12))
def test_the_first_decision_is_made_at_the_last_arrival_at_the_latest(
    rule: TriggerRule, arrivals: list[TaskState]
) -> None:
    decisions = [
        state_after_upstream(rule, _counted(arrivals[:so_far], waits_for=len(arrivals) - so_far))
        for so_far in range(len(arrivals) + 1)
    ]

    assert decisions[-1] is not NONE
    first = next(state for state in decisions if state is not NONE)
    # What a later arrival would have made of it counts for nothing, except that a failure may come after a skip.
    assert first in (decisions[-1], K)


@pytest.mark.parametrize("rule", RULES)
def test_a_task_before_which_there_is_nothing_runs(rule: TriggerRule) -> None:
    assert state_after_upstream(rule, Upstream()) is RUNS


@pytest.mark.parametrize(
    ("setups", "expected"),
    [([S], RUNS), ([F], U), ([U], U), ([K], K), ([S, F], RUNS), ([S, K], RUNS), ([F, K], U), ([], RUNS)],
)
def test_a_teardown_runs_when_one_of_its_setups_succeeded(setups: list[TaskState], expected: TaskState) -> None:
    of = Upstream.of(setups)
    rule = TriggerRule.ALL_DONE_SETUP_SUCCESS

    assert state_after_upstream(rule, _counted([*setups, F, K], waits_for=0), of) is expected
    assert state_after_upstream(rule, _counted([*setups, F], waits_for=1), of) is NONE


@pytest.mark.parametrize("rule", [TriggerRule.ALL_DONE, TriggerRule.ONE_FAILED, TriggerRule.ALL_SUCCESS])
def test_a_task_relies_on_the_setups_further_up_whatever_its_rule(rule: TriggerRule) -> None:
    ready = Upstream(successes=1) if rule is TriggerRule.ALL_SUCCESS else Upstream(failures=1)

    def after(*setups: TaskState) -> TaskState:
        return state_after_upstream(rule, ready, Upstream.of(setups))

    assert after(S) is RUNS
    assert after(S, TaskState.RUNNING) is NONE
    assert after(TaskState.RUNNING, F) is U
    assert after(S, K) is K


def test_what_a_branch_skipped_stays_skipped_unless_the_branch_decides_anew() -> None:
    assert stays_skipped("choose", {"load"})
    assert not stays_skipped("choose", {"load", "choose"})
    assert not stays_skipped(None, {"load"})


def _counted(ended: Sequence[TaskState], *, waits_for: int) -> Upstream:
    """Count as the store does: one end after the other."""
    counted = Upstream(waits_for=waits_for + len(ended))
    for state in ended:
        counted = Upstream(
            waits_for=counted.waits_for - 1,
            successes=counted.successes + (state is S),
            failures=counted.failures + (state in UNSUCCESSFUL),
            unreached=counted.unreached + (state is U),
            skips=counted.skips + (state is K),
        )
    return counted
