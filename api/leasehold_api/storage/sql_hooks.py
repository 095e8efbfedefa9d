"""Putting webhooks into the outbox, in the transaction of what they tell of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, text

from leasehold_api import clock
from leasehold_api.clock import instant, instant_or_none
from leasehold_api.dags.plan import Plan
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.tables import webhooks
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import RunState, TaskState
from leasehold_protocol.v1.webhooks import HookEvent, HookPayload, HookTask

MOST_TASKS = 20
LONGEST_REASON = 500

_RUN = text("""
    SELECT r.id, r.team_id, r.state, r.logical_date, r.started_at, r.ended_at, t.name AS team
      FROM runs r JOIN teams t ON t.id = r.team_id WHERE r.id = :run
""")
_FAILED = text("""
    SELECT task, map_index, state, tries, reason, due_at FROM task_instances
     WHERE run_id = :run AND state = 'failed' ORDER BY position, map_index LIMIT :most
""")
_ONE = text("SELECT task, map_index, state, tries, reason, due_at FROM task_instances WHERE id = :id")


def tell_of_end(tx: Transaction, plan: Plan, *, run: str, state: RunState, now: float) -> None:
    """Tell whom the DAG names how a run ended; who cancels a run knows it."""
    if state is RunState.FAILED and plan.manifest.on_failure:
        rows = tx.run(_FAILED, {"run": run, "most": MOST_TASKS}).all()
        _tell(tx, plan, HookEvent.RUN_FAILED, plan.manifest.on_failure, run=run, rows=rows, now=now)
    elif state is RunState.SUCCESS and plan.manifest.on_success:
        _tell(tx, plan, HookEvent.RUN_SUCCEEDED, plan.manifest.on_success, run=run, rows=[], now=now)


def tell_of_retry(tx: Transaction, plan: Plan, *, run: str, instance: str, now: float) -> None:
    """Tell whom the DAG names that a task failed and is tried again."""
    if plan.manifest.on_retry:
        rows = tx.run(_ONE, {"id": instance}).all()
        _tell(tx, plan, HookEvent.TASK_RETRY, plan.manifest.on_retry, run=run, rows=rows, now=now)


def _tell(
    tx: Transaction,
    plan: Plan,
    event: HookEvent,
    targets: Sequence[str],
    *,
    run: str,
    rows: Sequence[Row[Any]],
    now: float,
) -> None:
    facts = tx.run(_RUN, {"run": run}).one()
    for target in dict.fromkeys(targets):
        payload = HookPayload(
            # Made here, because a transaction that is run again shall get another id: nobody was told of this one.
            id=clock.new_id("hook"),
            event=event,
            at=instant(now),
            team=facts.team,
            dag=plan.dag,
            dag_version=plan.version,
            run=run,
            state=RunState(facts.state),
            logical_date=instant(facts.logical_date),
            started_at=instant_or_none(facts.started_at),
            ended_at=instant_or_none(facts.ended_at),
            tasks=[_task(row) for row in rows],
        )
        tx.run(
            insert(webhooks).values(
                id=payload.id,
                team_id=facts.team_id,
                run_id=run,
                dag=plan.dag,
                event=event.value,
                target=target,
                payload=payload.model_dump_json(),
                state="waiting",
                created_at=now,
                due_at=now,
            )
        )
    tx.signal(Signal(Topic.HOOK, ""))


def _task(row: Row[Any]) -> HookTask:
    return HookTask(
        task=row.task,
        map_index=row.map_index,
        state=TaskState(row.state),
        try_number=row.tries,
        reason=None if row.reason is None else row.reason[:LONGEST_REASON],
        due_at=instant_or_none(row.due_at),
    )
