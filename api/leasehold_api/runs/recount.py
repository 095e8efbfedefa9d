"""Counting anew how the task instances of a run stand to one another, after a person changed some. Pure.

An ending counts its successors down by one. Here all of it is counted from the states alone; both must agree, always
(``tests/api/test_run_operations.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from leasehold_api.dags.order import downstream_of, in_order
from leasehold_api.runs.flow import NOTHING, UNSUCCESSFUL, Upstream, state_after_upstream
from leasehold_protocol.v1.manifest import TaskEntry
from leasehold_protocol.v1.runs import TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one task instance stands."""

    id: str
    task: str
    map_index: int
    state: TaskState
    upstream: Upstream = NOTHING
    """How those before it stand, as it was counted."""
    skipped_by: str | None = None
    """The branch or short circuit that skipped it."""
    has_run: bool = False
    """It was given to an agent since it was last cleared."""
    because: str | None = None
    """It can't run any more because of this upstream task."""


Picture = Mapping[str, Standing]
"""Task instance → how it stands."""


def recounted(
    entries: Mapping[str, TaskEntry],
    setups: Mapping[str, Sequence[str]],
    picture: Picture,
    *,
    open_again: Collection[str] = (),
) -> Picture:
    """Return the picture with everything that waits for upstream tasks counted from the states alone.

    Args:
        entries: The plan's, by task.
        setups: The plan's: task → the setups that it relies on.
        picture: Every task instance of the run.
        open_again: Those that shall begin anew, whatever their state is.
    """
    anew = set(open_again)
    by_task: defaultdict[str, list[Standing]] = defaultdict(list)
    for one in picture.values():
        by_task[one.task].append(one)
    for task in in_order(entries, downstream_of(entries)):
        upstream = [each for name in dict.fromkeys(entries[task].upstream) for each in by_task[name]]
        relied_on = Upstream.of(each.state for name in setups.get(task, ()) for each in by_task[name])
        by_task[task] = [
            _counted(one, entries[task], upstream, relied_on) if one.state is TaskState.NONE or one.id in anew else one
            for one in by_task[task]
        ]
    return {one.id: one for instances in by_task.values() for one in instances}


def _counted(one: Standing, entry: TaskEntry, upstream: Sequence[Standing], relied_on: Upstream) -> Standing:
    counted = Upstream.of(each.state for each in upstream)
    state = state_after_upstream(entry.trigger_rule, counted, relied_on)
    decisive = UNSUCCESSFUL if state is TaskState.UPSTREAM_FAILED else {TaskState.SKIPPED}
    because = next((each.task for each in upstream if each.state in decisive), None) if state.is_final else None
    return replace(one, state=state, upstream=counted, skipped_by=None, has_run=False, because=because)
