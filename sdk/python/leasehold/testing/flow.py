"""How the end of one task moves the ones after it, and the run: the API's rules, for a run in one process. Pure.

``tests/sdk/test_testing_flow.py`` holds them to those of the API.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from leasehold.runtime.rules.endings import Ending

UNSUCCESSFUL = frozenset({"failed", "upstream_failed"})


def in_order(upstream: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield tasks so that each comes after those it waits for, otherwise as they are written."""
    done: set[str] = set()
    waiting = list(upstream)
    while waiting:
        ready = next(task for task in waiting if done.issuperset(upstream[task]))
        waiting.remove(ready)
        done.add(ready)
        yield ready


def state_before(trigger_rule: str, upstream: Collection[str]) -> str:
    """Return ``queued`` if a task may run, by the states of its upstream tasks; otherwise the state that it gets.

    Raises:
        ValueError: if the rule is one that this version can't apply.
    """
    match trigger_rule:
        case "all_success" if UNSUCCESSFUL.intersection(upstream):
            return "upstream_failed"
        case "all_success" if "skipped" in upstream:
            return "skipped"
        case "all_success" | "all_done":
            return "queued"
        case _:
            raise ValueError(f"trigger_rule={trigger_rule!r} can't be applied by leasehold.testing")


def state_after(ending: Ending, *, tries: int, retries: int) -> str:
    """Return what a task's state is after its try number ``tries`` (from 1) has ended; ``up_for_retry``: try again.

    With ``up_for_reschedule`` and ``deferred`` it goes on later, and has spent no try.
    """
    match ending.kind:
        case "rescheduled" | "deferred" if ending.again is None:
            return "failed"  # it can't wait like this, and would say the same at every try
        case "rescheduled":
            return "up_for_reschedule"
        case "deferred":
            return "deferred"
        case "success" | "skipped":
            return ending.kind
        case "failed_for_good":
            return "failed"
        case _:
            return "failed" if tries > retries else "up_for_retry"


def downstream_of(task: str, upstream: Mapping[str, Collection[str]]) -> list[str]:
    """Return the tasks that wait directly for ``task``."""
    return [later for later, waited_for in upstream.items() if task in waited_for]


def may_be_skipped(state: str) -> bool:
    """Return whether a task before it can still skip one that stands so: what an upstream failure decided stays."""
    return state != "upstream_failed"


def run_state(upstream: Mapping[str, Collection[str]], states: Mapping[str, str]) -> str:
    """Return how a run ended: by the tasks that nothing depends on."""
    waited_for = {task for tasks in upstream.values() for task in tasks}
    leaves = [state for task, state in states.items() if task not in waited_for]
    return "failed" if UNSUCCESSFUL.intersection(leaves) else "success"
