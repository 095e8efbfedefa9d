"""Who comes after whom in a DAG, whose setups a task relies on, and which tasks decide how a run ended. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from leasehold_api.dags.order import after_all, downstream_of, in_order
from leasehold_protocol.v1.manifest import Manifest, TaskEntry, TaskRole


@dataclass(frozen=True)
class Relations:
    """What a manifest says about the order of its tasks."""

    manifest: Manifest

    @cached_property
    def entries(self) -> dict[str, TaskEntry]:
        """Task id → entry."""
        return {entry.id: entry for entry in self.manifest.tasks}

    @cached_property
    def downstream(self) -> dict[str, list[str]]:
        """Task id → the tasks that depend on it."""
        return downstream_of(self.entries)

    @cached_property
    def teardowns(self) -> frozenset[str]:
        """The teardowns: no task skips them, and cancelling a run leaves them."""
        return frozenset(entry.id for entry in self.manifest.tasks if entry.role is TaskRole.TEARDOWN)

    @cached_property
    def leaves(self) -> list[str]:
        """The tasks nothing depends on, teardowns left out of account: they decide how the run ended."""
        ignored = {name for name in self.teardowns if not self.entries[name].fails_run}
        leaves = [
            entry.id
            for entry in self.manifest.tasks
            if entry.id not in ignored and ignored.issuperset(self.downstream.get(entry.id, ()))
        ]
        # A DAG of nothing but teardowns is decided by the last of them.
        return leaves or [entry.id for entry in self.manifest.tasks if entry.id not in self.downstream]

    @cached_property
    def setups(self) -> dict[str, list[str]]:
        """Task id → the setups that decide with its trigger rule.

        Of a teardown they are those directly before it. Of any other task they are those further up, unless all that
        tears them down comes before the task: those directly before it count by its trigger rule, like any upstream.
        """
        of_all = {entry.id for entry in self.manifest.tasks if entry.role is TaskRole.SETUP}
        if not of_all:
            return {}
        torn_down_by = {setup: self.teardowns.intersection(self.downstream.get(setup, ())) for setup in of_all}
        before = _setups_before(self.entries, self.downstream, of_all | self.teardowns)
        found: dict[str, list[str]] = {}
        for entry in self.manifest.tasks:
            upstream = set(entry.upstream)
            if entry.role is TaskRole.TEARDOWN:
                relied_on = of_all & upstream
            else:
                relied_on = {
                    setup
                    for setup in (before[entry.id] & of_all) - upstream
                    if not torn_down_by[setup] or not torn_down_by[setup] <= before[entry.id]
                }
            if relied_on:
                found[entry.id] = sorted(relied_on)
        return found

    @cached_property
    def guarded(self) -> dict[str, list[str]]:
        """Setup → the tasks further down that rely on it; teardowns hear of it as of any upstream task."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for task, setups in self.setups.items():
            if task not in self.teardowns:
                for setup in setups:
                    found[setup].append(task)
        return dict(found)

    def all_after(self, task: str) -> list[str]:
        """Return everything downstream of a task, however far, in the order of the manifest."""
        found = after_all(self.downstream, [task])
        return [entry.id for entry in self.manifest.tasks if entry.id in found]


def _setups_before(
    entries: Mapping[str, TaskEntry], downstream: Mapping[str, list[str]], wanted: set[str]
) -> dict[str, frozenset[str]]:
    """Return task id → which of ``wanted`` come before it, however far up."""
    before: dict[str, frozenset[str]] = {}
    for name in in_order(entries, downstream):
        upstream = entries[name].upstream
        before[name] = frozenset(wanted.intersection(upstream)).union(*(before[other] for other in upstream))
    return before
