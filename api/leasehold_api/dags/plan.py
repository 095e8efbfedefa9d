"""A manifest, arranged for planning: who comes after whom, what each task reads, what it needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from leasehold_api.dags.mapping import leaves
from leasehold_api.dags.relations import Relations
from leasehold_protocol.signed.statement import tree_of
from leasehold_protocol.signed.tree import Tree
from leasehold_protocol.v1.manifest import (
    DictValue,
    Expression,
    ListValue,
    LiteralValue,
    Needs,
    PythonWork,
    ResultsValue,
    ResultValue,
    TaskEntry,
)
from leasehold_protocol.v1.mapping import ConcatenatedValue, MapAxis, Source, ZippedValue
from leasehold_protocol.v1.signing import SignedTask

MAX_MAP_LENGTH = 10_000


@dataclass(frozen=True)
class Plan(Relations):
    """One version of a DAG, ready to run."""

    version_id: str
    dag: str
    version: int
    signature: str | None = None
    names_previous: bool = False
    """Its templates may name the last run that succeeded."""
    max_map_length: int = MAX_MAP_LENGTH
    """How many instances a mapped task may have."""

    @cached_property
    def inputs(self) -> dict[str, list[tuple[str, str]]]:
        """Task id → the (task, key) pairs its arguments read."""
        return {entry.id: sorted(set(_results_in(entry))) for entry in self.manifest.tasks}

    @cached_property
    def mapped_inputs(self) -> dict[str, list[tuple[str, str]]]:
        """Task id → the (task, key) pairs of mapped tasks that its arguments read."""
        return {entry.id: sorted(set(_results_in(entry, ResultsValue))) for entry in self.manifest.tasks}

    @cached_property
    def leased(self) -> dict[str, TaskEntry]:
        """Task id → the entry as it travels with leases.

        Lists that a task is mapped over stay behind, the item goes along instead. Not so in a signed version: there
        the site takes the item from what was signed.
        """
        if self.signature is not None:
            return self.entries
        return {entry.id: _without_lists(entry) for entry in self.manifest.tasks}

    @cached_property
    def has_limits(self) -> bool:
        """Whether anything limits how many of its tasks run at once; else nobody has to look."""
        manifest = self.manifest
        return bool(manifest.max_active_tasks or manifest.max_active_tasks_per_dag) or any(
            entry.pool or entry.max_active_tis_per_dag or entry.max_active_tis_per_dagrun for entry in manifest.tasks
        )

    def signed(self, task: str) -> SignedTask | None:
        """Return what proves to a site that this task is what was signed; none when the version is not signed."""
        if self.signature is None:
            return None
        index = self._indices[task]
        path = [each.hex() for each in self._tree.path(index)]
        return SignedTask(signature=self.signature, index=index, path=path)

    @cached_property
    def _tree(self) -> Tree:
        return tree_of(self.manifest.tasks)

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {entry.id: index for index, entry in enumerate(self.manifest.tasks)}


def _results_in(entry: TaskEntry, kind: type[ResultValue | ResultsValue] = ResultValue) -> Iterator[tuple[str, str]]:
    work = entry.work
    roots = [*work.args, *work.kwargs.values()] if isinstance(work, PythonWork) else [*work.argv, *work.env.values()]
    # What it is mapped over comes item by item, but for what a list in the manifest names.
    lists = [leaf for leaf in leaves(entry.mapped) if isinstance(leaf, ListValue | DictValue)] if entry.mapped else []
    pending: list[Expression] = [*roots, *lists]
    while pending:
        match pending.pop():
            case ResultValue() | ResultsValue() as found:
                if isinstance(found, kind):
                    yield found.task, found.key
            case ListValue(items=items):
                pending.extend(items)
            case DictValue(items=named):
                pending.extend(named.values())
            case _:
                pass


def _without_lists(entry: TaskEntry) -> TaskEntry:
    if entry.mapped is None:
        return entry
    axes = [MapAxis(name=axis.name, source=_shorter(axis.source)) for axis in entry.mapped.axes]
    return entry.model_copy(update={"mapped": entry.mapped.model_copy(update={"axes": axes})})


def _shorter(source: Source) -> Source:
    match source:
        case LiteralValue():
            return LiteralValue(value=None)
        case ZippedValue() | ConcatenatedValue():
            return source.model_copy(update={"parts": [_shorter(part) for part in source.parts]})
        case _:
            return source


def canonical_needs(needs: Needs, *, python: str | None = None) -> str:
    """Return needs as one text: equal needs give equal texts, so that queued work can be indexed by it.

    ``python`` is the ``requires-python`` that a task's environment has to fit.
    """
    return json.dumps(
        {"connections": sorted(set(needs.connections)), "labels": needs.labels, "runtime": needs.runtime}
        | ({} if python is None else {"python": python}),
        sort_keys=True,
        separators=(",", ":"),
    )


def placement_id(team_id: str, needs: str) -> str:
    """Return the id of the placement that stands for these needs in this team."""
    return "pl_" + hashlib.sha256(f"{team_id}\n{needs}".encode()).hexdigest()[:32]
