"""What follows from a task instance's end, in the same transaction: successors are queued, the run ends."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, text

from leasehold_api.dags.plan import Plan
from leasehold_api.runs.flow import UNSUCCESSFUL, final_run_state, state_after_upstream
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_turns
from leasehold_api.storage.sql_waits import settle_run
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import TaskState

_COUNT_DOWN = text("""
    UPDATE task_instances
       SET waits_for = waits_for - 1,
           upstream_failures = upstream_failures + :failed,
           upstream_skips = upstream_skips + :skipped
     WHERE run_id = :run AND task IN :tasks AND state = 'none'
    RETURNING id, task, waits_for, upstream_failures, upstream_skips, placement_id
""").bindparams(bindparam("tasks", expanding=True))

_QUEUE = text("""
    UPDATE task_instances SET state = 'queued', queued_at = :now, due_at = NULL, reason = :reason
     WHERE id = :id
""")

_END_UNSTARTED = text("""
    UPDATE task_instances SET state = :state, reason = :reason, ended_at = :now WHERE id = :id
""")

_SKIP = text("""
    UPDATE task_instances SET state = 'skipped', reason = :reason, ended_at = :now
     WHERE run_id = :run AND task IN :tasks AND state = 'none'
    RETURNING task
""").bindparams(bindparam("tasks", expanding=True))

_CLOSE_TASKS = text("""
    UPDATE runs SET open_tasks = open_tasks - :ended WHERE id = :run
    RETURNING open_tasks, cancel_reason, dag_id, backfill_id
""")

_LEAF_STATES = text("SELECT state FROM task_instances WHERE run_id = :run AND task IN :leaves").bindparams(
    bindparam("leaves", expanding=True)
)

_END_RUN = text("UPDATE runs SET state = :state, ended_at = :now WHERE id = :run")


def queue(tx: Transaction, instance: str, *, placement: str, reason: str | None, now: float) -> None:
    """Make one task instance leasable, and wake somebody who can lease it."""
    tx.run(_QUEUE, {"id": instance, "now": now, "reason": reason})
    tx.signal(Signal(Topic.QUEUED, placement))


def settle(tx: Transaction, plan: Plan, *, run: str, ended: Iterable[tuple[str, TaskState]], now: float) -> None:
    """Let the ends of task instances take effect on those after them, and on the run.

    Args:
        tx: The transaction in which they ended.
        plan: The version that the run belongs to.
        run: The run's id.
        ended: (task, final state) of each that ended; their rows have been written.
        now: Seconds since 1970.
    """
    frontier = list(ended)
    closed = 0
    while frontier:
        task, state = frontier.pop()
        closed += 1
        if after := plan.downstream.get(task):
            frontier.extend(_advance(tx, plan, run=run, after=after, upstream=(task, state), now=now))
    if closed:
        _close(tx, plan, run=run, closed=closed, now=now)
    tx.signal(Signal(Topic.RUN, run))


def skip_downstream(
    tx: Transaction, plan: Plan, *, run: str, task: str, skip: Iterable[str], now: float
) -> list[tuple[str, TaskState]]:
    """Skip direct downstream tasks that wait for ``task``, and return them for ``settle``; others are left alone."""
    direct = sorted(set(skip) & set(plan.downstream.get(task, ())))
    if not direct:
        return []
    parameters = {"run": run, "tasks": direct, "reason": f"skipped by {task}", "now": now}
    return [(name, TaskState.SKIPPED) for name in tx.run(_SKIP, parameters).scalars()]


def _advance(
    tx: Transaction, plan: Plan, *, run: str, after: list[str], upstream: tuple[str, TaskState], now: float
) -> list[tuple[str, TaskState]]:
    """Count one upstream task down; return the successors that thereby ended without having run."""
    task, state = upstream
    counts = {"failed": int(state in UNSUCCESSFUL), "skipped": int(state is TaskState.SKIPPED)}
    ended: list[tuple[str, TaskState]] = []
    for row in tx.run(_COUNT_DOWN, {"run": run, "tasks": after, **counts}).all():
        following = state_after_upstream(
            plan.entries[row.task].trigger_rule,
            waits_for=row.waits_for,
            failures=row.upstream_failures,
            skips=row.upstream_skips,
        )
        if following is TaskState.QUEUED:
            queue(tx, row.id, placement=row.placement_id, reason=None, now=now)
        elif following is not TaskState.NONE:
            reason = f"{task} was {'skipped' if following is TaskState.SKIPPED else state.value.replace('_', ' ')}"
            tx.run(_END_UNSTARTED, {"id": row.id, "state": following.value, "reason": reason, "now": now})
            ended.append((row.task, following))
    return ended


def _close(tx: Transaction, plan: Plan, *, run: str, closed: int, now: float) -> None:
    row = tx.run(_CLOSE_TASKS, {"run": run, "ended": closed}).one()
    if row.open_tasks > 0:
        return
    states = [TaskState(state) for state in tx.run(_LEAF_STATES, {"run": run, "leaves": plan.leaves}).scalars()]
    final = final_run_state(states, cancelled=row.cancel_reason is not None)
    tx.run(_END_RUN, {"run": run, "state": final.value, "now": now})
    settle_run(tx, run, final, now=now)
    sql_turns.run_ended(tx, plan, dag_id=row.dag_id, backfill=row.backfill_id, now=now)
