"""What people do to runs after they began: which task instances it concerns. The rules are pure; and the port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

from leasehold_api.acting import By, Team
from leasehold_api.dags.mapping import leaves
from leasehold_api.dags.order import after_all, downstream_of, in_order
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.runs.flow import UNSUCCESSFUL, stays_skipped
from leasehold_api.runs.recount import Picture, Standing
from leasehold_protocol.v1.manifest import ResultsValue, ResultValue, TaskEntry
from leasehold_protocol.v1.operations import (
    CancelTaskRequest,
    MarkRequest,
    PriorityRequest,
    RetryRequest,
    RunChanged,
)
from leasehold_protocol.v1.runs import TaskState


def named_in(picture: Picture, run: str, task: str, map_index: int | None) -> list[Standing]:
    """Return the instances of a task, or the one with this map index.

    Raises:
        NotFoundError: if the run has none such.
    """
    found = [one for one in picture.values() if one.task == task and map_index in (None, one.map_index)]
    if not found:
        which = f"task {task!r}" + ("" if map_index is None else f" with map index {map_index}")
        raise NotFoundError(f"run {run} has no {which}; its tasks: leasehold runs show {run}")
    return found


def to_clear(entries: Mapping[str, TaskEntry], picture: Picture, run: str, asked: RetryRequest) -> set[str]:
    """Return the task instances that a retry begins anew.

    Raises:
        NotFoundError: if the run has no such task.
        ConflictError: if there is nothing to try again, or something in the way is running.
    """
    chosen = _chosen(picture, run, asked)
    if not asked.downstream:
        return {one.id for one in chosen}
    cleared = {one.id for one in chosen}
    by_task = _by_task(picture)
    downstream = downstream_of(entries)
    behind = after_all(downstream, {one.task for one in chosen})
    for task in (task for task in in_order(entries, downstream) if task in behind):
        for one in (each for each in by_task[task] if each.id not in cleared):
            if one.state is TaskState.RUNNING:
                raise ConflictError(
                    f"task {task} is running, and depends on what would be done again: wait for its end, or cancel it "
                    f"first (leasehold runs cancel {run} --task {task})"
                )
            if one.state is not TaskState.NONE and not stays_skipped(one.skipped_by, _tasks(picture, cleared)):
                cleared.add(one.id)
    _refuse_other_items(entries, by_task, cleared, run)
    return cleared


def _tasks(picture: Picture, instances: set[str]) -> set[str]:
    return {picture[instance].task for instance in instances}


def _refuse_other_items(
    entries: Mapping[str, TaskEntry], by_task: Mapping[str, list[Standing]], cleared: set[str], run: str
) -> None:
    """Refuse to make anew what a task is mapped over that has its instances already: there may be others then."""
    for task, instances in by_task.items():
        mapped = entries[task].mapped
        if mapped is None or all(one.map_index < 0 for one in instances):
            continue
        sources = {leaf.task for leaf in leaves(mapped) if isinstance(leaf, ResultValue | ResultsValue)}
        for source in sorted(sources):
            if any(one.id in cleared for one in by_task[source]):
                raise ConflictError(
                    f"task {task} is mapped over what {source} returned, and has its instances: done again, it may "
                    f"return something else. Start a new run, or try again what comes after {source} (leasehold runs "
                    f"retry {run} --task {task})"
                )


def _by_task(picture: Picture) -> Mapping[str, list[Standing]]:
    by_task: defaultdict[str, list[Standing]] = defaultdict(list)
    for one in picture.values():
        by_task[one.task].append(one)
    return by_task


def _chosen(picture: Picture, run: str, asked: RetryRequest) -> list[Standing]:
    if asked.task is None:
        if chosen := [one for one in picture.values() if one.state in UNSUCCESSFUL]:
            return chosen
        raise ConflictError(
            f"nothing in run {run} failed: name what shall be done again (leasehold runs retry {run} --task TASK)"
        )
    chosen = named_in(picture, run, asked.task, asked.map_index)
    if under_way := next((one for one in chosen if not one.state.is_final), None):
        raise ConflictError(
            f"task {asked.task} is {under_way.state.value.replace('_', ' ')}: it has not ended, so there is nothing to "
            f"try again; see leasehold why {run} {asked.task}"
        )
    return chosen


def reopened_by_mark(entries: Mapping[str, TaskEntry], picture: Picture, tasks: set[str]) -> set[str]:
    """Return what never ran because of the failure of tasks that are now marked otherwise: it is decided again."""
    behind = after_all(downstream_of(entries), tasks)
    waiting = {TaskState.UPSTREAM_FAILED, TaskState.QUEUED}
    return {one.id for one in picture.values() if one.task in behind and one.state in waiting and not one.has_run}


class RunOperations(Protocol):
    """Operations on runs, each in one transaction with its audit row. Promises: ``tests/api/contracts/operations.py``.

    Each raises NotFoundError if the team has no such run or the run no such task, and ConflictError, with the way out,
    if the run is not in a state that allows it.
    """

    async def retry(self, team: Team, run: str, asked: RetryRequest, *, by: By) -> RunChanged:
        """Let task instances that ended run again, and open the run again.

        What an earlier attempt says later does not count any more; it stays in the history.
        """
        ...

    async def mark(self, team: Team, run: str, task: str, asked: MarkRequest, *, says: str, by: By) -> RunChanged:
        """End task instances as a person says; what depends on them follows as it would from such an ending."""
        ...

    async def cancel_task(
        self, team: Team, run: str, task: str, asked: CancelTaskRequest, *, says: str, by: By
    ) -> RunChanged:
        """Cancel what has not ended of one task; the run goes on without it."""
        ...

    async def set_priority(self, team: Team, run: str, asked: PriorityRequest, *, by: By) -> RunChanged:
        """Reorder in the queue what has not ended."""
        ...
