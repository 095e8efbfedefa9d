"""How the end of one task moves the ones after it, and the run. Pure.

The trigger rules are Airflow's (docs/explanation/flow.md puts the two side by side). They are decided from counters
alone, so that an ending costs what it moves, however many tasks come before or after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from leasehold_protocol.v1.manifest import TriggerRule
from leasehold_protocol.v1.runs import RunState, TaskState

UNSUCCESSFUL = frozenset({TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """How the task instances before one stand, in numbers.

    Attributes:
        waits_for: How many have not ended.
        successes: How many succeeded.
        failures: How many ended without success, whether they ran or not.
        unreached: How many of the failures never ran, because something before them failed.
        skips: How many were skipped.
    """

    waits_for: int = 0
    successes: int = 0
    failures: int = 0
    unreached: int = 0
    skips: int = 0

    @classmethod
    def of(cls, states: Iterable[TaskState]) -> Upstream:
        """Count task instances by their states."""
        found = list(states)
        return cls(
            waits_for=sum(not state.is_final for state in found),
            successes=found.count(TaskState.SUCCESS),
            failures=sum(state in UNSUCCESSFUL for state in found),
            unreached=found.count(TaskState.UPSTREAM_FAILED),
            skips=found.count(TaskState.SKIPPED),
        )


NOTHING = Upstream()


def state_after_upstream(rule: TriggerRule, upstream: Upstream, setups: Upstream = NOTHING) -> TaskState:
    """Return the state of a task instance by how those before it stand: ``none`` while that is not decided.

    Args:
        rule: When the author lets it run.
        upstream: What it waits for directly.
        setups: Of a teardown the setups among those; of any other task the setups further up that it relies on.
    """
    if rule is TriggerRule.ALWAYS:
        return TaskState.QUEUED
    if rule is TriggerRule.ALL_DONE_SETUP_SUCCESS:
        return _teardown(upstream, setups)
    if setups.failures:
        return TaskState.UPSTREAM_FAILED
    if setups.skips:
        return TaskState.SKIPPED
    state = _by_rule(rule, upstream)
    return TaskState.NONE if state is TaskState.QUEUED and setups.waits_for else state


def _by_rule(rule: TriggerRule, upstream: Upstream) -> TaskState:
    """Return what a rule says. A task before which there is nothing runs."""
    if upstream == NOTHING:
        return TaskState.QUEUED
    if rule in _AS_SOON_AS_ONE:
        return _as_soon_as_one(rule, upstream)
    # Known before all have ended: waiting for the others could not let it run.
    for kind, state in _SPOILT_BY.get(rule, ()):
        if getattr(upstream, kind):
            return state
    if upstream.waits_for:
        return TaskState.NONE
    return TaskState.QUEUED if upstream.successes else _WITHOUT_A_SUCCESS.get(rule, TaskState.QUEUED)


_SPOILT_BY: dict[TriggerRule, tuple[tuple[str, TaskState], ...]] = {
    TriggerRule.ALL_SUCCESS: (("failures", TaskState.UPSTREAM_FAILED), ("skips", TaskState.SKIPPED)),
    TriggerRule.ALL_FAILED: (("successes", TaskState.SKIPPED), ("skips", TaskState.SKIPPED)),
    TriggerRule.ALL_SKIPPED: (("successes", TaskState.SKIPPED), ("failures", TaskState.SKIPPED)),
    TriggerRule.NONE_FAILED: (("failures", TaskState.UPSTREAM_FAILED),),
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: (("failures", TaskState.UPSTREAM_FAILED),),
    TriggerRule.NONE_SKIPPED: (("skips", TaskState.SKIPPED),),
    # Airflow: what was skipped is not "done", so one skip is enough to skip this one.
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: (("skips", TaskState.SKIPPED),),
}
"""Rule → what is enough to decide that a task does not run, in order, and the state that it gets."""

_WITHOUT_A_SUCCESS = {
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: TaskState.SKIPPED,
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: TaskState.UPSTREAM_FAILED,
}

_AS_SOON_AS_ONE = {TriggerRule.ONE_SUCCESS, TriggerRule.ONE_FAILED, TriggerRule.ONE_DONE}


def _as_soon_as_one(rule: TriggerRule, upstream: Upstream) -> TaskState:
    """Decide the rules that need one of their kind, and give up when all have ended and there is none."""
    otherwise = TaskState.SKIPPED
    if rule is TriggerRule.ONE_SUCCESS:
        found = upstream.successes
        otherwise = TaskState.UPSTREAM_FAILED if upstream.failures else TaskState.SKIPPED
    elif rule is TriggerRule.ONE_FAILED:
        found = upstream.failures
    else:
        found = upstream.successes + upstream.failures - upstream.unreached
    if found:
        return TaskState.QUEUED
    return TaskState.NONE if upstream.waits_for else otherwise


def _teardown(upstream: Upstream, setups: Upstream) -> TaskState:
    """A teardown waits for everything, and runs when there is something to tear down."""
    if upstream.waits_for:
        return TaskState.NONE
    if setups == NOTHING or setups.successes:
        return TaskState.QUEUED
    return TaskState.UPSTREAM_FAILED if setups.failures else TaskState.SKIPPED


def stays_skipped(skipped_by: str | None, again: Collection[str]) -> bool:
    """Return whether a task instance stays skipped when others of its run are run again.

    Args:
        skipped_by: The branch or short circuit that skipped it.
        again: The tasks that are run again. One that decides anew may let it run.
    """
    return skipped_by is not None and skipped_by not in again


def final_run_state(leaves: Iterable[TaskState], *, cancelled: bool) -> RunState:
    """Return how a run ended, by its leaves (the tasks nothing depends on), as Airflow does."""
    if cancelled:
        return RunState.CANCELLED
    return RunState.FAILED if any(state in UNSUCCESSFUL for state in leaves) else RunState.SUCCESS
