"""How the end of one task moves the ones after it, and the run: the API's rules, for a run in one process. Pure.

``tests/sdk/test_testing_flow.py`` holds them to those of the API.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from leasehold.authoring.trigger_rules import OF_TEARDOWNS, TRIGGER_RULES
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


def state_before(
    trigger_rule: str, upstream: Collection[str], *, waits_for: int = 0, setups: Collection[str] = ()
) -> str:
    """Return ``queued`` if a task may run, ``none`` if that is open yet, otherwise the state that it gets unrun.

    Args:
        trigger_rule: When the author lets it run.
        upstream: The states of the tasks directly before it that have ended.
        waits_for: How many of those have not.
        setups: Of a teardown the states of the setups among those; of any other task of the setups further up.

    Raises:
        ValueError: if the rule is one that this version can't apply.
    """
    if trigger_rule == "always":
        return "queued"
    if trigger_rule == OF_TEARDOWNS:
        return "none" if waits_for else _teardown(setups)
    if trigger_rule not in TRIGGER_RULES:
        raise ValueError(f"trigger_rule={trigger_rule!r} can't be applied by leasehold.testing")
    if UNSUCCESSFUL.intersection(setups):
        return "upstream_failed"
    if "skipped" in setups:
        return "skipped"
    return _by_rule(trigger_rule, upstream, waits_for) if upstream or waits_for else "queued"


def _by_rule(trigger_rule: str, upstream: Collection[str], waits_for: int) -> str:
    if trigger_rule in _WANTED:
        return _as_soon_as_one(trigger_rule, upstream, waits_for)
    for states, result in _SPOILT_BY.get(trigger_rule, ()):
        if states.intersection(upstream):
            return result
    if waits_for:
        return "none"
    return "queued" if "success" in upstream else _WITHOUT_A_SUCCESS.get(trigger_rule, "queued")


_SPOILT_BY: dict[str, tuple[tuple[frozenset[str], str], ...]] = {
    "all_success": ((UNSUCCESSFUL, "upstream_failed"), (frozenset({"skipped"}), "skipped")),
    "all_failed": ((frozenset({"success", "skipped"}), "skipped"),),
    "all_skipped": ((UNSUCCESSFUL | {"success"}, "skipped"),),
    "none_failed": ((UNSUCCESSFUL, "upstream_failed"),),
    "none_failed_min_one_success": ((UNSUCCESSFUL, "upstream_failed"),),
    "none_skipped": ((frozenset({"skipped"}), "skipped"),),
    "all_done_min_one_success": ((frozenset({"skipped"}), "skipped"),),
}
_WITHOUT_A_SUCCESS = {"none_failed_min_one_success": "skipped", "all_done_min_one_success": "upstream_failed"}
_WANTED = {
    "one_success": frozenset({"success"}),
    "one_failed": UNSUCCESSFUL,
    "one_done": frozenset({"success", "failed"}),
}


def _as_soon_as_one(trigger_rule: str, upstream: Collection[str], waits_for: int) -> str:
    if _WANTED[trigger_rule].intersection(upstream):
        return "queued"
    if waits_for:
        return "none"
    return "upstream_failed" if trigger_rule == "one_success" and UNSUCCESSFUL.intersection(upstream) else "skipped"


def _teardown(setups: Collection[str]) -> str:
    if not setups or "success" in setups:
        return "queued"
    return "upstream_failed" if UNSUCCESSFUL.intersection(setups) else "skipped"


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


def all_after(tasks: Collection[str], upstream: Mapping[str, Collection[str]]) -> set[str]:
    """Return ``tasks`` and everything downstream of them, however far."""
    found, pending = set(tasks), list(tasks)
    while pending:
        new = [later for later in downstream_of(pending.pop(), upstream) if later not in found]
        found.update(new)
        pending += new
    return found


def may_be_skipped(state: str) -> bool:
    """Return whether a task before it can still skip one that stands so: what is decided stays."""
    return state == "none"


def setups_of(task: str, upstream: Mapping[str, Collection[str]], roles: Mapping[str, str]) -> set[str]:
    """Return the setups that decide whether a task runs, beside its trigger rule."""
    direct = {name for name in upstream[task] if roles.get(name) == "setup"}
    if roles.get(task) == "teardown":
        return direct
    if "setup" not in roles.values():
        return set()
    before, pending = set(upstream[task]), list(upstream[task])
    while pending:
        new = [name for name in upstream[pending.pop()] if name not in before]
        before.update(new)
        pending += new
    found: set[str] = set()
    for setup in (name for name in before - set(upstream[task]) if roles.get(name) == "setup"):
        torn_down_by = {name for name in downstream_of(setup, upstream) if roles.get(name) == "teardown"}
        if not torn_down_by or not torn_down_by <= before:
            found.add(setup)
    return found


def run_state(upstream: Mapping[str, Collection[str]], states: Mapping[str, str], ignored: Collection[str] = ()) -> str:
    """Return how a run ended: by the tasks that nothing depends on but ``ignored`` ones, teardowns without a say."""
    found = _leaves(upstream, ignored) or _leaves(upstream, ())
    return "failed" if UNSUCCESSFUL.intersection(states[task] for task in found) else "success"


def _leaves(upstream: Mapping[str, Collection[str]], ignored: Collection[str]) -> list[str]:
    waited_for = {task for later, tasks in upstream.items() if later not in ignored for task in tasks}
    return [task for task in upstream if task not in waited_for and task not in ignored]
