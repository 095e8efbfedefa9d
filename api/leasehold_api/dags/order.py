"""The order of a DAG's tasks: who comes directly after whom, who after all that, and one line of them all. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from leasehold_protocol.v1.manifest import TaskEntry

Downstream = Mapping[str, list[str]]
"""Task → the tasks that depend on it directly; those without any may be missing."""


def downstream_of(entries: Mapping[str, TaskEntry]) -> dict[str, list[str]]:
    """Return who comes directly after whom, each once."""
    after: defaultdict[str, list[str]] = defaultdict(list)
    for task, entry in entries.items():
        for upstream in dict.fromkeys(entry.upstream):
            after[upstream].append(task)
    return dict(after)


def in_order(entries: Mapping[str, TaskEntry], downstream: Downstream) -> list[str]:
    """Return the tasks, each after all that it depends on."""
    left = {task: len(set(entry.upstream)) for task, entry in entries.items()}
    order = [task for task, waits in left.items() if not waits]
    for task in order:  # grows while it is gone through
        for following in downstream.get(task, ()):
            left[following] -= 1
            if not left[following]:
                order.append(following)
    return order


def after_all(downstream: Downstream, tasks: Iterable[str]) -> set[str]:
    """Return the tasks that depend on some of these, directly or not; without themselves, unless they do too."""
    found: set[str] = set()
    pending = list(tasks)
    while pending:
        new = [task for task in downstream.get(pending.pop(), ()) if task not in found]
        found.update(new)
        pending += new
    return found
