"""A manifest, arranged for planning: who comes after whom, what each task reads, what it needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from leasehold_api.dags.relations import Relations
from leasehold_protocol.signed.statement import tree_of
from leasehold_protocol.signed.tree import Tree
from leasehold_protocol.v1.manifest import (
    DictValue,
    Expression,
    ListValue,
    Needs,
    PythonWork,
    ResultValue,
    TaskEntry,
)
from leasehold_protocol.v1.signing import SignedTask


@dataclass(frozen=True)
class Plan(Relations):
    """One version of a DAG, ready to run."""

    version_id: str
    dag: str
    version: int
    signature: str | None = None

    @cached_property
    def inputs(self) -> dict[str, list[tuple[str, str]]]:
        """Task id → the (task, key) pairs its arguments read."""
        return {entry.id: sorted(set(_results_in(entry))) for entry in self.manifest.tasks}

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


def _results_in(entry: TaskEntry) -> Iterator[tuple[str, str]]:
    work = entry.work
    roots = [*work.args, *work.kwargs.values()] if isinstance(work, PythonWork) else [*work.argv, *work.env.values()]
    pending: list[Expression] = list(roots)
    while pending:
        match pending.pop():
            case ResultValue(task=task, key=key):
                yield task, key
            case ListValue(items=items):
                pending.extend(items)
            case DictValue(items=named):
                pending.extend(named.values())
            case _:
                pass


def canonical_needs(needs: Needs) -> str:
    """Return needs as one text: equal needs give equal texts, so that queued work can be indexed by it."""
    return json.dumps(
        {"connections": sorted(set(needs.connections)), "labels": needs.labels, "runtime": needs.runtime},
        sort_keys=True,
        separators=(",", ":"),
    )


def placement_id(team_id: str, needs: str) -> str:
    """Return the id of the placement that stands for these needs in this team."""
    return "pl_" + hashlib.sha256(f"{team_id}\n{needs}".encode()).hexdigest()[:32]
