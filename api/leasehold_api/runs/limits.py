"""What limits how much runs at once: which limits a task passes, in which order, and when there is room. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from leasehold_api.dags.plan import Plan
from leasehold_protocol.v1.manifest import DEFAULT_POOL, TaskEntry


class LimitKind(StrEnum):
    """What is limited."""

    TASK_IN_RUN = "task_in_run"
    RUN = "run"
    TASK = "task"
    DAG = "dag"
    POOL = "pool"


_NARROW_FIRST = list(LimitKind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So much at once, of one thing."""

    id: str
    kind: LimitKind
    name: str
    """As people know it."""
    most: int | None
    """None: somebody else says, who sets the pool."""
    slots: int = 1
    """What one task instance takes of it."""
    run_id: str | None = None

    @property
    def rank(self) -> int:
        """The place in the order in which limits are looked at: those of few before those of many."""
        return _NARROW_FIRST.index(self.kind)


def pool_limit(team_id: str, pool: str, *, slots: int = 1) -> Limit:
    """Return the limit that a pool is."""
    return Limit(id=f"pool {team_id} {pool}", kind=LimitKind.POOL, name=pool, most=None, slots=slots)


def limits_of(plan: Plan, entry: TaskEntry, *, team_id: str, dag_id: str, run_id: str) -> list[Limit]:
    """Return the limits that an instance of a task passes in a run, in their order; mostly none."""
    manifest, task = plan.manifest, f"{plan.dag}.{entry.id}"
    wanted = (
        (LimitKind.TASK_IN_RUN, f"{run_id} {entry.id}", task, entry.max_active_tis_per_dagrun, run_id),
        (LimitKind.RUN, run_id, run_id, manifest.max_active_tasks, run_id),
        (LimitKind.TASK, f"{dag_id} {entry.id}", task, entry.max_active_tis_per_dag, None),
        (LimitKind.DAG, dag_id, plan.dag, manifest.max_active_tasks_per_dag, None),
    )
    found = [
        Limit(id=f"{kind} {subject}", kind=kind, name=name, most=most, run_id=run)
        for kind, subject, name, most, run in wanted
        if most is not None
    ]
    if entry.pool not in (None, DEFAULT_POOL):
        found.append(pool_limit(team_id, str(entry.pool), slots=entry.pool_slots))
    return found


def line_id(limits: Iterable[Limit]) -> str:
    """Return the id of the line for these limits: equal limits and slots give one line."""
    text = "\n".join(sorted(f"{limit.id} {limit.slots}" for limit in limits))
    return "line_" + hashlib.sha256(text.encode()).hexdigest()[:32]


def room_for(*, most: int, used: int, slots: int) -> int:
    """Return how many task instances that take ``slots`` each may still begin; never less than none."""
    return max(0, most - used) // slots
