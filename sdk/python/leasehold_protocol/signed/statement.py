"""What is said of a manifest, and whether a task, or a whole manifest, is what was said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from leasehold_protocol.signed.canonical import canonical, digest
from leasehold_protocol.signed.tree import Tree, leaf, root_by
from leasehold_protocol.v1.manifest import Manifest, TaskEntry
from leasehold_protocol.v1.signing import DagStatement, SignedTask


def statement_about(
    manifest: Manifest, *, team: str, signed_at: datetime, not_after: datetime | None = None
) -> DagStatement:
    """Return what a signer says of a manifest, which was read from JSON."""
    tree = tree_of(manifest.tasks)
    return DagStatement(
        team=team,
        dag=manifest.dag,
        bundle=manifest.bundle,
        environment=environment_digest(manifest.requires_python, manifest.dependencies),
        manifest=digest(manifest, without={"tasks"}),
        tasks=tree.size,
        tasks_root=tree.root.hex(),
        signed_at=signed_at,
        not_after=not_after,
    )


def tree_of(tasks: Sequence[TaskEntry]) -> Tree:
    """Return the tree over tasks in their order."""
    return Tree([leaf(canonical(task)) for task in tasks])


def environment_digest(requires_python: str | None, dependencies: Sequence[str]) -> str:
    """Return what stands for the environment that a manifest asks for."""
    asked = {"dependencies": list(dependencies), "requires_python": requires_python}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def is_about_manifest(said: DagStatement, manifest: Manifest, *, team: str) -> bool:
    """Say whether a statement is about this manifest, whole, of this team."""
    return said == statement_about(manifest, team=team, signed_at=said.signed_at, not_after=said.not_after)


def misfits(
    said: DagStatement, proof: SignedTask, task: TaskEntry, *, team: str, dag: str, bundle: str | None
) -> list[str]:
    """Return what of a leased task is not what a statement says; empty when all of it is."""
    found = [
        what
        for what, ours, theirs in (
            ("the team", said.team, team),
            ("the DAG", said.dag, dag),
            ("the bundle", said.bundle, bundle),
        )
        if ours != theirs
    ]
    path = [bytes.fromhex(each) for each in proof.path]
    root = root_by(path, leaf(canonical(task)), index=proof.index, size=said.tasks)
    if root is None or root.hex() != said.tasks_root:
        found.append(f"the task {task.id}")
    return found
