"""Waits of task instances: begun with a deferral, settled once, in one transaction with whatever settles them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row, bindparam, text

from leasehold_api.clock import instant
from leasehold_api.runs.waiting import (
    MOST_WAITS,
    Settled,
    began_at,
    no_such_run,
    problem_of,
    run_ended,
    time_is_up,
    until,
)
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage import sql_admission
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.runs import RunState
from leasehold_protocol.v1.waiting import SettledWait, Wait, WaitKind, WaitVerdict

ATTEMPTS_KEPT = 50
"""How many of the newest attempts of a task instance are kept, of those that were rescheduled."""

_COUNT = text("SELECT count(*) FROM waits WHERE task_instance_id = :id AND key <> :key")

_FORGET = text("DELETE FROM waits WHERE task_instance_id = :id AND key = :key")

_BEGIN = text("""
    INSERT INTO waits (id, task_instance_id, key, team_id, run_id, kind, subject, wait, state, began_at, until)
    VALUES (:wait_id, :id, :key, :team, :run, :kind, :subject, :wait, 'open', :began_at, :until)
""")

# What settles a wait, whatever it is, comes through this statement: of two that meet, one finds it open.
_SETTLE = text("""
    UPDATE waits SET state = :state, value = :value, message = :message, settled_at = :at, settled_by = :by
     WHERE id = :wait_id AND state = 'open'
    RETURNING task_instance_id
""")

_RESUME = text("""
    UPDATE task_instances
       SET state = 'queued', queued_at = :now, due_at = :now + queue_timeout_s, reason = NULL, blocked_on = line_id
     WHERE id = :id AND state = 'deferred'
    RETURNING placement_id, run_id, team_id, line_id, due_at
""")

# The task instance is locked before its wait, as everywhere.
_WAITING_FOR = """
    SELECT w.id, w.task_instance_id, w.wait FROM waits w JOIN task_instances t ON t.id = w.task_instance_id
     WHERE w.kind = :kind AND w.subject = :subject AND w.team_id = :team AND w.state = 'open'
     ORDER BY t.id {lock}
"""
_WAIT_OF = text("SELECT id, wait FROM waits WHERE task_instance_id = :id AND state = 'open'")

_RUN = "SELECT state FROM runs WHERE id = :run AND team_id = :team {lock}"
_TEAM_OF_RUN = text("SELECT team_id FROM runs WHERE id = :run")

_FIRST_EVENT = text("""
    SELECT value, sent_at, sent_by FROM events WHERE team_id = :team AND name = :name AND sent_at >= :since
     ORDER BY sent_at, id LIMIT 1
""")

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))")

_CLOSE = text("""
    UPDATE waits SET state = 'closed', settled_at = :now WHERE run_id = :run AND state = 'open'
       AND task_instance_id NOT IN (SELECT id FROM task_instances WHERE run_id = :run AND task IN :kept)
""").bindparams(bindparam("kept", expanding=True))

_FORGET_IN_VAIN = text("""
    DELETE FROM waits WHERE task_instance_id = :id AND state IN ('timed_out', 'refused')
""")

_PRUNE_METRICS = text("""
    DELETE FROM metric_points WHERE task_instance_id = :id AND epoch <= :upto
       AND epoch IN (SELECT epoch FROM attempts WHERE task_instance_id = :id AND ending = 'rescheduled')
""")
_PRUNE = text("DELETE FROM attempts WHERE task_instance_id = :id AND epoch <= :upto AND ending = 'rescheduled'")
_NEWEST = text("SELECT epoch FROM task_instances WHERE id = :id AND team_id = :team AND rescheduled > 0")

_SETTLED = text("""
    SELECT key, state, value, message, settled_at, settled_by FROM waits
     WHERE task_instance_id = :id AND state IN ('came', 'timed_out', 'refused') ORDER BY id
""")


def wait_id(instance: str, epoch: int) -> str:
    """Return the id of the wait that an attempt began: it begins one at most, as it ends with that."""
    return f"in{instance.removeprefix('ti')}_{epoch}"


def why_not(tx: Transaction, standing: Row[Any], wait: Wait) -> str | None:
    """Return why this attempt can't wait so; none if it can."""
    if tx.run(_COUNT, {"id": standing.id, "key": wait.key}).scalar_one() >= MOST_WAITS:
        return (
            f"the task has waited for {MOST_WAITS} different things, which is the most: use reschedule, which has no "
            "bound, or wait under one key (key=) again and again"
        )
    return problem_of(wait, own_run=standing.run_id)


def begin(tx: Transaction, standing: Row[Any], wait: Wait, *, now: float) -> None:
    """Record what a deferred task instance waits for; settled at once if that has happened already."""
    began = began_at(wait, leased_at=standing.leased_at, now=now)
    new = wait_id(standing.id, standing.attempt_epoch)
    row = {
        "wait_id": new,
        "id": standing.id,
        "key": wait.key,
        "team": standing.team_id,
        "run": standing.run_id,
        "kind": wait.kind.value,
        "subject": wait.event if wait.kind is WaitKind.EVENT else wait.run,
        "wait": wait.model_dump_json(exclude_defaults=True),
        "began_at": began,
        "until": until(wait, began=began),
    }
    tx.run(_FORGET, row)
    tx.run(_BEGIN, row)
    if (settled := _already(tx, standing.team_id, wait, since=began)) is not None:
        settle(tx, new, settled, now=now)


def settle(tx: Transaction, wait: str, settled: Settled, *, now: float) -> bool:
    """Record what came of an open wait and start its task again; returns whether it was open."""
    parameters = {
        "wait_id": wait,
        "state": settled.verdict.value,
        "value": None if settled.value is None else json.dumps(settled.value),
        "message": settled.message,
        "by": settled.by,
        "at": now,
    }
    instance = tx.run(_SETTLE, parameters).scalar_one_or_none()
    if instance is None:
        return False
    resumed = tx.run(_RESUME, {"id": instance, "now": now}).one_or_none()
    if resumed is not None:
        if resumed.line_id is None:
            tx.signal(Signal(Topic.QUEUED, resumed.placement_id))
        else:
            sql_admission.enter(tx, instance, resumed.line_id, team_id=resumed.team_id, now=now)
        if resumed.due_at is not None:
            tx.signal(Signal(Topic.TIMER, ""))
        tx.signal(Signal(Topic.RUN, resumed.run_id))
    return True


def waiting_for(tx: Transaction, kind: WaitKind, subject: str, *, team: str) -> list[Row[Any]]:
    """Return the open waits for something, their task instances locked."""
    lock = "FOR UPDATE OF t" if tx.dialect == "postgresql" else ""
    parameters = {"kind": kind.value, "subject": subject, "team": team}
    return list(tx.run(text(_WAITING_FOR.format(lock=lock)), parameters).all())


def settle_run(tx: Transaction, run: str, state: RunState, *, now: float) -> None:
    """Start again what waited for a run that has just ended."""
    team = tx.run(_TEAM_OF_RUN, {"run": run}).scalar_one()
    for row in waiting_for(tx, WaitKind.RUN, run, team=team):
        wanted = Wait.model_validate_json(row.wait).states
        settle(tx, row.id, run_ended(run, state, wanted), now=now)


def settle_by_time(tx: Transaction, instance: str, *, now: float) -> None:
    """Start again a deferred task instance whose time is up; it is locked."""
    for row in tx.run(_WAIT_OF, {"id": instance}).all():
        settle(tx, row.id, time_is_up(Wait.model_validate_json(row.wait)), now=now)


def close(tx: Transaction, run: str, *, kept: list[str], now: float) -> None:
    """Close what a cancelled run waited for, except what the tasks in ``kept`` wait for: they go on."""
    tx.run(_CLOSE, {"run": run, "kept": kept, "now": now})


def forget_in_vain(tx: Transaction, instance: str) -> None:
    """Let the next try wait anew for what did not come; what came stays."""
    tx.run(_FORGET_IN_VAIN, {"id": instance})


def prune_attempts(tx: Transaction, instance: str, epoch: int) -> None:
    """Forget the oldest attempts that only said "later": months of them leave a bounded trace."""
    if epoch > ATTEMPTS_KEPT:
        parameters = {"id": instance, "upto": epoch - ATTEMPTS_KEPT}
        tx.run(_PRUNE_METRICS, parameters)
        tx.run(_PRUNE, parameters)


def was_pruned(tx: Transaction, team: str, instance: str, epoch: int) -> bool:
    """Say whether there may have been such an attempt, long ago, of which nothing is known any more."""
    newest = tx.run(_NEWEST, {"id": instance, "team": team}).scalar_one_or_none()
    return newest is not None and epoch <= newest - ATTEMPTS_KEPT


def settled_waits(tx: Transaction, instance: str) -> list[SettledWait]:
    """Return what came of a task instance's waits."""
    return [
        SettledWait(
            key=row.key,
            verdict=WaitVerdict(row.state),
            value=None if row.value is None else json.loads(row.value),
            message=row.message,
            by=row.settled_by,
            at=instant(row.settled_at),
        )
        for row in tx.run(_SETTLED, {"id": instance}).all()
    ]


def one_at_a_time(tx: Transaction, team: str, event: str) -> None:
    """Let nobody send or begin to wait for an event meanwhile: each must see what the other did."""
    if tx.dialect == "postgresql":  # SQLite has one writer
        tx.run(_ONE_AT_A_TIME, {"what": f"event {team} {event}"})


def _already(tx: Transaction, team: str, wait: Wait, *, since: float) -> Settled | None:
    """Return what has happened already of what a task begins to wait for."""
    if wait.kind is WaitKind.RUN:
        # Locked: the run's end, if it is under way, waits until this wait is there to be seen, or is seen here.
        lock = "FOR SHARE" if tx.dialect == "postgresql" else ""
        run = wait.run or ""
        state = tx.run(text(_RUN.format(lock=lock)), {"run": run, "team": team}).scalar_one_or_none()
        if state is None:
            return no_such_run(run)
        return run_ended(run, RunState(state), wait.states) if RunState(state).is_final else None
    if wait.kind is WaitKind.EVENT and wait.event is not None:
        one_at_a_time(tx, team, wait.event)
        found = tx.run(_FIRST_EVENT, {"team": team, "name": wait.event, "since": since}).one_or_none()
        if found is not None:
            return Settled(verdict=WaitVerdict.CAME, value=json.loads(found.value), by=found.sent_by)
    return None
