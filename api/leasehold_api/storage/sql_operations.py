"""Operations on runs: a run's picture is locked, changed by pure rules, and written back, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, bindparam, text

from leasehold_api.acting import By, Team
from leasehold_api.dags.plan import Plan
from leasehold_api.errors import ConflictError, NotFoundError
from leasehold_api.runs.flow import Upstream
from leasehold_api.runs.operations import named_in, reopened_by_mark, to_clear
from leasehold_api.runs.recount import Picture, Standing, recounted
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_audit
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_ending_by_hand import cancel_running, end_by_hand
from leasehold_api.storage.sql_flow import end_run, settle, start
from leasehold_api.storage.sql_gone_xcoms import refuse_retry
from leasehold_api.storage.sql_newer_version import move_to_newest
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.operations import (
    CancelTaskRequest,
    ChangedInstance,
    MarkRequest,
    PriorityRequest,
    RetryRequest,
    RunChanged,
)
from leasehold_protocol.v1.runs import RunState, TaskState

_RUN = """
    SELECT r.id, r.team_id, r.dag_id, r.dag_version_id, r.state, r.cancel_reason, v.version
      FROM runs r JOIN dag_versions v ON v.id = r.dag_version_id
     WHERE r.id = :run AND r.team_id = :team AND r.deleted_at IS NULL {lock}
"""

_LOCK = text("SELECT id FROM task_instances WHERE run_id = :run ORDER BY id FOR UPDATE")

# Read after they are locked: what an ending that was under way did to them, new ones included, is seen.
_INSTANCES = text("""
    SELECT id, task, map_index, state, waits_for, upstream_successes, upstream_failures, upstream_unreached,
           upstream_skips, skipped_by, started_at, placement_id
      FROM task_instances WHERE run_id = :run
""")

# One epoch more: whatever an attempt of before still says, it is another's now.
_CLEAR = text("""
    UPDATE task_instances
       SET state = 'none', epoch = CASE WHEN epoch > 0 THEN epoch + 1 ELSE 0 END, reason = NULL, agent_id = NULL,
           site_id = NULL, expires_at = NULL, cancel_reason = NULL, tries_forgiven = tries, losses = 0, resumed = NULL,
           due_at = NULL, queued_at = NULL, started_at = NULL, ended_at = NULL, skipped_by = NULL
     WHERE id IN :ids
""").bindparams(bindparam("ids", expanding=True))

_FORGET_WAITS = text("DELETE FROM waits WHERE task_instance_id IN :ids").bindparams(bindparam("ids", expanding=True))

_COUNTED = text("""
    UPDATE task_instances
       SET waits_for = :waits_for, upstream_successes = :successes, upstream_failures = :failures,
           upstream_unreached = :unreached, upstream_skips = :skips
     WHERE id = :id
""")

_ENDED = text("UPDATE task_instances SET state = :state, reason = :reason, ended_at = :now WHERE id = :id")

_REOPEN = text("""
    UPDATE runs
       SET state = 'running', ended_at = NULL,
           open_tasks = (SELECT count(*) FROM task_instances t WHERE t.run_id = :run AND t.state NOT IN :final)
     WHERE id = :run RETURNING open_tasks
""").bindparams(bindparam("final", expanding=True))

_NOT_CANCELLED = text("UPDATE runs SET cancel_reason = NULL WHERE id = :run")

_FINAL = [state.value for state in TaskState if state.is_final]
_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class _Opened:
    """A run, locked, and how its task instances stand."""

    run: Row[Any]
    plan: Plan
    picture: Picture
    placements: dict[str, str]


class SqlRunOperations:
    """Implements ``leasehold_api.runs.operations.RunOperations``."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    async def retry(self, team: Team, run: str, asked: RetryRequest, *, by: By) -> RunChanged:
        """Let task instances run again; see the port."""

        def operation(tx: Transaction) -> RunChanged:
            opened = _open(tx, self._plans, team, run)
            if opened.run.cancel_reason is not None and opened.run.state == RunState.RUNNING:
                raise ConflictError(
                    f"run {run} is being cancelled: try again when it is over (leasehold runs watch {run})"
                )
            if asked.latest:
                move_to_newest(tx, self._plans, opened.run, opened.picture.values())
                opened = _open(tx, self._plans, team, run)
            cleared = to_clear(opened.plan.entries, opened.picture, run, asked)
            _begin_anew(tx, opened, cleared, now=by.at)
            detail = {"task": asked.task, "instances": len(cleared), "latest": asked.latest, "because": asked.reason}
            _record(tx, opened, "run.retried", by, detail)
            return _changed(tx, opened, team)

        return await self._database.write(operation)

    async def mark(self, team: Team, run: str, task: str, asked: MarkRequest, *, says: str, by: By) -> RunChanged:
        """End task instances as a person says; see the port."""

        def operation(tx: Transaction) -> RunChanged:
            opened = _open(tx, self._plans, team, run)
            state = TaskState(asked.state.value)
            marked = named_in(opened.picture, run, task, asked.map_index)
            if all(one.state is state for one in marked):
                raise ConflictError(f"task {task} is {state.value} already")
            marked = [one for one in marked if one.state is not state]
            over = [one for one in marked if one.state.is_final]
            fresh = [one for one in marked if not one.state.is_final]
            for one in marked:
                end_by_hand(tx, one.id, state, says, team_id=team.id, now=by.at)
            if over:
                now_so = dict(opened.picture) | {one.id: _as(one, state) for one in marked}
                behind = reopened_by_mark(opened.plan.entries, now_so, {task})
                _begin_anew(tx, _Opened(opened.run, opened.plan, now_so, opened.placements), behind, now=by.at)
            else:
                settle(tx, opened.plan, run=run, ended=[(one.task, state) for one in fresh], now=by.at)
            detail = {"task": task, "as": state.value, "instances": len(marked), "because": asked.reason}
            _record(tx, opened, "task.marked", by, detail)
            return _changed(tx, opened, team)

        return await self._database.write(operation)

    async def cancel_task(
        self, team: Team, run: str, task: str, asked: CancelTaskRequest, *, says: str, by: By
    ) -> RunChanged:
        """Cancel what has not ended of one task; see the port."""

        def operation(tx: Transaction) -> RunChanged:
            opened = _open(tx, self._plans, team, run)
            found = named_in(opened.picture, run, task, asked.map_index)
            under_way = [one for one in found if not one.state.is_final]
            if not under_way:
                raise ConflictError(f"task {task} has ended: there is nothing to cancel")
            waiting = [one for one in under_way if one.state is not TaskState.RUNNING]
            cancel_running(tx, [one.id for one in under_way if one.state is TaskState.RUNNING], says)
            for one in waiting:
                end_by_hand(tx, one.id, TaskState.CANCELLED, says, team_id=team.id, now=by.at)
            settle(tx, opened.plan, run=run, ended=[(one.task, TaskState.CANCELLED) for one in waiting], now=by.at)
            _record(tx, opened, "task.cancelled", by, {"task": task, "because": asked.reason})
            return _changed(tx, opened, team)

        return await self._database.write(operation)

    async def set_priority(self, team: Team, run: str, asked: PriorityRequest, *, by: By) -> RunChanged:
        """Reorder in the queue what has not ended; see the port."""

        def operation(tx: Transaction) -> RunChanged:
            opened = _open(tx, self._plans, team, run)
            chosen = (
                list(opened.picture.values()) if asked.task is None else named_in(opened.picture, run, asked.task, None)
            )
            waiting = [one for one in chosen if not one.state.is_final and one.state is not TaskState.RUNNING]
            if not waiting:
                raise ConflictError("nothing of it waits any more: a priority is for what is not running yet")
            for ids in _parts([one.id for one in waiting]):
                tx.run(_PRIORITY, {"ids": ids, "priority": asked.priority})
            tx.signal(Signal(Topic.RUN, run))
            _record(tx, opened, "run.priority_set", by, {"task": asked.task, "priority": asked.priority})
            same = [
                ChangedInstance(
                    task_instance=one.id, task=one.task, map_index=one.map_index, was=one.state, state=one.state
                )
                for one in sorted(waiting, key=lambda one: (one.task, one.map_index))
            ]
            return RunChanged(run=run, version=opened.run.version, state=RunState(opened.run.state), changed=same)

        return await self._database.write(operation)


_PRIORITY = text("UPDATE task_instances SET priority = :priority WHERE id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)


def _open(tx: Transaction, plans: Plans, team: Team, run: str) -> _Opened:
    on_server = tx.dialect == "postgresql"  # SQLite has one writer
    found = tx.run(
        text(_RUN.format(lock="FOR UPDATE OF r" if on_server else "")), {"run": run, "team": team.id}
    ).first()
    if found is None:
        raise NotFoundError(f"there is no run {run!r} in this team; list them: leasehold runs list")
    if on_server:
        tx.run(_LOCK, {"run": run}).all()
    rows = tx.run(_INSTANCES, {"run": run}).all()
    picture = {
        row.id: Standing(
            id=row.id,
            task=row.task,
            map_index=row.map_index,
            state=TaskState(row.state),
            upstream=Upstream(
                waits_for=row.waits_for,
                successes=row.upstream_successes,
                failures=row.upstream_failures,
                unreached=row.upstream_unreached,
                skips=row.upstream_skips,
            ),
            skipped_by=row.skipped_by,
            has_run=row.started_at is not None,
        )
        for row in rows
    }
    plan = plans.get(tx.connection, found.dag_version_id)
    return _Opened(found, plan, picture, {row.id: row.placement_id for row in rows})


def _as(one: Standing, state: TaskState) -> Standing:
    return Standing(id=one.id, task=one.task, map_index=one.map_index, state=state, has_run=one.has_run)


def _begin_anew(tx: Transaction, opened: _Opened, cleared: Collection[str], *, now: float) -> None:
    """Clear task instances, count everything that waits anew, and open or close the run accordingly."""
    refuse_retry(tx, opened.plan, opened.picture, opened.run.id, cleared)
    for ids in _parts(sorted(cleared)):
        tx.run(_CLEAR, {"ids": ids})
        tx.run(_FORGET_WAITS, {"ids": ids})
    counted = recounted(opened.plan.entries, opened.plan.setups, opened.picture, open_again=cleared)
    ready: list[Standing] = []
    for one in counted.values():
        before = opened.picture[one.id]
        if one == before and one.id not in cleared:
            continue
        tx.run(_COUNTED, {"id": one.id, **asdict(one.upstream)})
        if one.state is TaskState.QUEUED and (one.id in cleared or before.state is TaskState.NONE):
            ready.append(one)
        elif one.state is not TaskState.NONE and (one.id in cleared or before.state is TaskState.NONE):
            parameters = {"id": one.id, "state": one.state.value, "reason": _why_not(one, counted), "now": now}
            tx.run(_ENDED, parameters)
    run = opened.run.id
    if tx.run(_REOPEN, {"run": run, "final": _FINAL}).scalar_one() == 0:
        end_run(tx, opened.plan, run=run, cancelled=opened.run.cancel_reason is not None, now=now)
    elif opened.run.state != RunState.RUNNING:
        tx.run(_NOT_CANCELLED, {"run": run})
    _start(tx, opened, ready, now=now)
    tx.signal(Signal(Topic.RUN, run))


def _start(tx: Transaction, opened: _Opened, ready: Sequence[Standing], *, now: float) -> None:
    """Start what waits for nothing. When all has been counted: a mapped task adds to what those after it wait for."""
    run, plan = opened.run.id, opened.plan
    ended: list[tuple[str, TaskState]] = []
    for one in ready:
        placement = opened.placements[one.id]
        state = start(
            tx, plan, run=run, instance=one.id, task=one.task, map_index=one.map_index, placement=placement, now=now
        )
        if state.is_final:
            ended.append((one.task, state))
    settle(tx, plan, run=run, ended=ended, now=now)


def _why_not(one: Standing, counted: Picture) -> str:
    how = next((each.state for each in counted.values() if each.task == one.because), one.state)
    return f"{one.because} was {'skipped' if one.state is TaskState.SKIPPED else how.value.replace('_', ' ')}"


def _changed(tx: Transaction, opened: _Opened, team: Team) -> RunChanged:
    """Return what is different from before."""
    rows = tx.run(_INSTANCES, {"run": opened.run.id}).all()
    run = tx.run(text(_RUN.format(lock="")), {"run": opened.run.id, "team": team.id}).one()
    changed = [
        ChangedInstance(
            task_instance=row.id,
            task=row.task,
            map_index=row.map_index,
            was=opened.picture[row.id].state,
            state=TaskState(row.state),
        )
        for row in sorted(rows, key=lambda row: (row.task, row.map_index))
        if row.id in opened.picture and opened.picture[row.id].state != row.state
    ]
    return RunChanged(run=run.id, version=run.version, state=RunState(run.state), changed=changed)


def _record(tx: Transaction, opened: _Opened, action: str, by: By, detail: dict[str, Any]) -> None:
    sql_audit.record(
        tx,
        at=by.at,
        actor=by.actor,
        address=by.address,
        action=action,
        object=opened.run.id,
        team_id=opened.run.team_id,
        detail={name: value for name, value in detail.items() if value is not None},
    )


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _AT_A_TIME] for start in range(0, len(ids), _AT_A_TIME)]
