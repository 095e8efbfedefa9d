"""How the end of one task moves the ones after it, and the run. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from leasehold_protocol.v1.manifest import TriggerRule
from leasehold_protocol.v1.runs import RunState, TaskState

UNSUCCESSFUL = frozenset({TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED})


def state_after_upstream(rule: TriggerRule, *, waits_for: int, failures: int, skips: int) -> TaskState:
    """Return the state of a task instance by how its upstream tasks stand.

    Args:
        rule: When the author lets it run.
        waits_for: Upstream tasks that have not ended.
        failures: Upstream tasks that ended without success.
        skips: Upstream tasks that were skipped.
    """
    match rule:
        case TriggerRule.ALL_SUCCESS:
            # Known before all have ended: waiting for the others could not change it.
            if failures:
                return TaskState.UPSTREAM_FAILED
            if skips:
                return TaskState.SKIPPED
        case TriggerRule.ALL_DONE:
            pass
        case _:
            assert_never(rule)
    return TaskState.NONE if waits_for else TaskState.QUEUED


def final_run_state(leaves: Iterable[TaskState], *, cancelled: bool) -> RunState:
    """Return how a run ended, by its leaves (the tasks nothing depends on), as Airflow does."""
    if cancelled:
        return RunState.CANCELLED
    return RunState.FAILED if any(state in UNSUCCESSFUL for state in leaves) else RunState.SUCCESS
