"""What follows from a task instance's end, in the same transaction: successors are queued, the run ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, text

from leasehold_api.dags.plan import Plan
from leasehold_api.runs.flow import NOTHING, UNSUCCESSFUL, Upstream, final_run_state, state_after_upstream
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_admission, sql_turns
from leasehold_api.storage.sql_hooks import tell_of_end
from leasehold_api.storage.sql_mapping import expand
from leasehold_api.storage.sql_nearness import prefer_near
from leasehold_api.storage.sql_waits import settle_run
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.manifest import Skips, TriggerRule
from leasehold_protocol.v1.runs import TaskState

_SAID = {
    TaskState.SUCCESS: "succeeded",
    TaskState.FAILED: "failed",
    TaskState.UPSTREAM_FAILED: "was not run",
    TaskState.CANCELLED: "was cancelled",
    TaskState.SKIPPED: "was skipped",
}
_SAYS_ITSELF = {TriggerRule.ALL_SUCCESS, TriggerRule.ALL_DONE_SETUP_SUCCESS}

_COUNT_DOWN = text("""
    UPDATE task_instances
       SET waits_for = waits_for - :ended,
           upstream_successes = upstream_successes + :succeeded,
           upstream_failures = upstream_failures + :failed,
           upstream_unreached = upstream_unreached + :unreached,
           upstream_skips = upstream_skips + :skipped
     WHERE run_id = :run AND task IN :tasks AND state = 'none'
    RETURNING id, task, map_index, waits_for, upstream_successes, upstream_failures, upstream_unreached,
              upstream_skips, placement_id
""").bindparams(bindparam("tasks", expanding=True))

# Locked, as counting down locks: of a setup's end and another upstream task's end that meet, the later sees both.
_GUARDED = """
    SELECT id, task, map_index, waits_for, upstream_successes, upstream_failures, upstream_unreached, upstream_skips,
           placement_id
      FROM task_instances WHERE run_id = :run AND task IN :tasks AND state = 'none' ORDER BY id {lock}
"""

_STATES = text("SELECT state FROM task_instances WHERE run_id = :run AND task IN :tasks").bindparams(
    bindparam("tasks", expanding=True)
)

_LEAF_STATES = text("SELECT DISTINCT state FROM task_instances WHERE run_id = :run AND task IN :leaves").bindparams(
    bindparam("leaves", expanding=True)
)

_QUEUE = text("""
    UPDATE task_instances
       SET state = 'queued', queued_at = :now, due_at = :now + queue_timeout_s, reason = :reason, blocked_on = line_id
     WHERE id = :id
    RETURNING team_id, line_id, due_at
""")

_END_UNSTARTED = text("""
    UPDATE task_instances SET state = :state, reason = :reason, ended_at = :now WHERE id = :id
""")

_SKIP = text("""
    UPDATE task_instances SET state = 'skipped', reason = :reason, skipped_by = :by, ended_at = :now
     WHERE run_id = :run AND task IN :tasks AND state = 'none'
    RETURNING task
""").bindparams(bindparam("tasks", expanding=True))

_CLOSE_TASKS = text("""
    UPDATE runs SET open_tasks = open_tasks - :ended WHERE id = :run
    RETURNING open_tasks, cancel_reason
""")

_END_RUN = text("""
    UPDATE runs SET state = :state, ended_at = :now WHERE id = :run RETURNING team_id, dag_id, backfill_id
""")


def queue(tx: Transaction, instance: str, *, placement: str, reason: str | None, now: float) -> None:
    """Make one task instance leasable and wake somebody who can lease it; or let it wait for what limits it."""
    row = tx.run(_QUEUE, {"id": instance, "now": now, "reason": reason}).one()
    if row.due_at is not None:
        tx.signal(Signal(Topic.TIMER, ""))
    if row.line_id is None:
        tx.signal(Signal(Topic.QUEUED, placement))
    else:
        sql_admission.enter(tx, instance, row.line_id, team_id=row.team_id, now=now)


def settle(tx: Transaction, plan: Plan, *, run: str, ended: Iterable[tuple[str, TaskState]], now: float) -> None:
    """Let the ends of task instances take effect on those after them, and on the run.

    Args:
        tx: The transaction in which they ended.
        plan: The version that the run belongs to.
        run: The run's id.
        ended: (task, final state) of each that ended; their rows have been written.
        now: Seconds since 1970.
    """
    # Many instances of one mapped task may end at once, by a cancellation: they are counted down together.
    frontier = list(Counter(ended).items())
    closed = 0
    while frontier:
        (task, state), count = frontier.pop()
        closed += count
        if after := plan.downstream.get(task):
            following = _advance(tx, plan, run=run, after=after, upstream=(task, state), count=count, now=now)
            frontier.extend(Counter(following).items())
        if guarded := plan.guarded.get(task):
            lock = "FOR UPDATE" if tx.dialect == "postgresql" else ""
            rows = _rows(tx, _GUARDED.format(lock=lock), run=run, tasks=guarded)
            following = _decide(tx, plan, rows, run=run, upstream=(task, state), now=now)
            frontier.extend(Counter(following).items())
    if closed:
        _close(tx, plan, run=run, closed=closed, now=now)
    tx.signal(Signal(Topic.RUN, run))


def skip_downstream(
    tx: Transaction, plan: Plan, *, run: str, task: str, skip: Iterable[str], now: float
) -> list[tuple[str, TaskState]]:
    """Skip tasks that wait for ``task``, and return them for ``settle``; what has begun, and teardowns, are left alone.

    They are those of ``skip`` that are directly downstream; after a short circuit everything that comes after those.
    """
    named = sorted(set(skip) & set(plan.downstream.get(task, ())))
    if named and plan.entries[task].skips is Skips.ALL:
        named = sorted({*named, *(name for first in named for name in plan.all_after(first))})
    tasks = [name for name in named if name not in plan.teardowns]
    if not tasks:
        return []
    parameters = {"run": run, "tasks": tasks, "reason": f"skipped by {task}", "by": task, "now": now}
    return [(name, TaskState.SKIPPED) for name in tx.run(_SKIP, parameters).scalars()]


def start(
    tx: Transaction, plan: Plan, *, run: str, instance: str, task: str, map_index: int, placement: str, now: float
) -> TaskState:
    """Let a task instance run whose time has come; return its state: a mapped task may end without any instance."""
    if plan.entries[task].mapped is None or map_index >= 0:
        queue(tx, instance, placement=placement, reason=None, now=now)
        return TaskState.QUEUED
    problem = expand(tx, plan, run=run, instance=instance, task=task, placement=placement, now=now)
    if problem is None:
        return TaskState.QUEUED
    tx.run(_END_UNSTARTED, {"id": instance, "state": problem.state.value, "reason": problem.reason, "now": now})
    return problem.state


def _advance(
    tx: Transaction,
    plan: Plan,
    *,
    run: str,
    after: list[str],
    upstream: tuple[str, TaskState],
    count: int,
    now: float,
) -> list[tuple[str, TaskState]]:
    """Count upstream task instances down; return the successors that thereby ended without having run."""
    state = upstream[1]
    counts = {
        "ended": count,
        "succeeded": count if state is TaskState.SUCCESS else 0,
        "failed": count if state in UNSUCCESSFUL else 0,
        "unreached": count if state is TaskState.UPSTREAM_FAILED else 0,
        "skipped": count if state is TaskState.SKIPPED else 0,
    }
    rows = tx.run(_COUNT_DOWN, {"run": run, "tasks": after, **counts}).all()
    return _decide(tx, plan, rows, run=run, upstream=upstream, now=now)


def _decide(
    tx: Transaction, plan: Plan, rows: Iterable[Row[Any]], *, run: str, upstream: tuple[str, TaskState], now: float
) -> list[tuple[str, TaskState]]:
    """Queue what may run by its counters; return what ended without having run."""
    task, state = upstream
    ended: list[tuple[str, TaskState]] = []
    for row in rows:
        following = state_after_upstream(
            plan.entries[row.task].trigger_rule,
            Upstream(
                waits_for=row.waits_for,
                successes=row.upstream_successes,
                failures=row.upstream_failures,
                unreached=row.upstream_unreached,
                skips=row.upstream_skips,
            ),
            _setups(tx, plan, row.task, run=run),
        )
        if following is TaskState.QUEUED:
            reads = [read for read, _ in plan.inputs[row.task]]
            became = start(
                tx,
                plan,
                run=run,
                instance=row.id,
                task=row.task,
                map_index=row.map_index,
                placement=prefer_near(tx, row, run=run, reads=reads, now=now),
                now=now,
            )
            if became.is_final:
                ended.append((row.task, became))
        elif following is not TaskState.NONE:
            reason = _why(plan, row.task, task, state)
            tx.run(_END_UNSTARTED, {"id": row.id, "state": following.value, "reason": reason, "now": now})
            ended.append((row.task, following))
    return ended


def _setups(tx: Transaction, plan: Plan, task: str, *, run: str) -> Upstream:
    """Return how the setups stand that a task relies on. Few have any, so that they are looked at and not counted."""
    if (setups := plan.setups.get(task)) is None:
        return NOTHING
    states = tx.run(_STATES, {"run": run, "tasks": setups}).scalars()
    return Upstream.of(map(TaskState, states))


def _rows(tx: Transaction, statement: str, *, run: str, tasks: list[str]) -> Sequence[Row[Any]]:
    query = text(statement).bindparams(bindparam("tasks", expanding=True))
    return tx.run(query, {"run": run, "tasks": tasks}).all()


def _why(plan: Plan, task: str, upstream: str, state: TaskState) -> str:
    """Return why a task is not run: the upstream task whose end decided it, and the rule if it has one of its own."""
    rule = plan.entries[task].trigger_rule
    said = f"{upstream} {_SAID[state]}"
    return said if rule in _SAYS_ITSELF else f"{said}, and its trigger rule is {rule.value}"


def _close(tx: Transaction, plan: Plan, *, run: str, closed: int, now: float) -> None:
    row = tx.run(_CLOSE_TASKS, {"run": run, "ended": closed}).one()
    if row.open_tasks > 0:
        return
    end_run(tx, plan, run=run, cancelled=row.cancel_reason is not None, now=now)


def end_run(tx: Transaction, plan: Plan, *, run: str, cancelled: bool, now: float) -> None:
    """End a run of which nothing is open any more."""
    states = [TaskState(state) for state in tx.run(_LEAF_STATES, {"run": run, "leaves": plan.leaves}).scalars()]
    final = final_run_state(states, cancelled=cancelled)
    row = tx.run(_END_RUN, {"run": run, "state": final.value, "now": now}).one()
    if plan.has_limits:  # whatever ended its task instances: nothing is held for good
        sql_admission.give_back_ended(tx, run, team_id=row.team_id, now=now)
    tell_of_end(tx, plan, run=run, state=final, now=now)
    settle_run(tx, run, final, now=now)
    sql_turns.run_ended(tx, plan, dag_id=row.dag_id, backfill=row.backfill_id, settle=settle, now=now)
