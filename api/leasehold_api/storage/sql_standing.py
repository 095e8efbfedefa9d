"""How attempts and their task instances stand when an ending comes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, text

from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import Outcome, attempt_id, parse_attempt_id
from leasehold_protocol.v1.runs import TaskState

# The task instance is locked before the attempt, here and everywhere, so that an outcome, an expiry and a claim
# that meet wait for each other in one order (SQLite has one writer and needs no locks).
_STANDING = """
    SELECT t.id, t.run_id, t.task, t.line_id, t.dag_version_id, t.state, t.epoch, t.tries, t.losses, t.cancel_reason,
           t.placement_id, t.team_id, t.map_index, t.resumed, t.tries_forgiven, a.epoch AS attempt_epoch, a.agent_id,
           a.site_id, a.ending, a.assumed, a.leased_at, s.max_running AS site_most, tm.max_running AS team_most
      FROM task_instances t {join}
      JOIN sites s ON s.id = a.site_id JOIN teams tm ON tm.id = t.team_id
     WHERE {which} {lock}
"""
_JOIN = "JOIN attempts a ON a.task_instance_id = t.id"
# One look into the index for each, however large the table becomes: a join would be planned once, while it is small.
_LOOK = "CROSS JOIN LATERAL (SELECT * FROM attempts WHERE task_instance_id = t.id AND epoch = t.epoch LIMIT 1) a"
_ONE = "t.id = :id AND a.epoch = :epoch"
# The newest attempts of many: locked in one order, so that two API processes that record some of the same wait in turn.
_NEWEST = "t.id IN :ids AND a.epoch = t.epoch ORDER BY t.id"


def standing_of(tx: Transaction, instance: str, epoch: int) -> Row[Any] | None:
    """Return how an attempt and its task instance stand; none when there is no such attempt."""
    lock = "FOR UPDATE OF t" if tx.dialect == "postgresql" else ""
    return tx.run(
        text(_STANDING.format(join=_JOIN, which=_ONE, lock=lock)), {"id": instance, "epoch": epoch}
    ).one_or_none()


def standings_of(tx: Transaction, outcomes: Sequence[Outcome]) -> dict[str, Row[Any]]:
    """Return attempt → standing, of the newest attempts; empty when they may say something of one another."""
    ids: set[str] = set()
    for outcome in outcomes:
        try:
            instance, _ = parse_attempt_id(outcome.attempt)
        except ValueError:
            continue
        if instance in ids:
            return {}
        ids.add(instance)
    lock = "FOR UPDATE OF t" if tx.dialect == "postgresql" else ""
    join = _LOOK if tx.dialect == "postgresql" else _JOIN
    query = text(_STANDING.format(join=join, which=_NEWEST, lock=lock)).bindparams(bindparam("ids", expanding=True))
    rows = tx.run(query, {"ids": sorted(ids)}).all() if ids else []
    return {attempt_id(row.id, row.attempt_epoch): row for row in rows}


def may_take_effect(standing: Row[Any]) -> bool:
    """Return whether what a site says of an attempt still counts."""
    if standing.epoch != standing.attempt_epoch:
        return False
    # After an expiry the instance waits to be leased again; until somebody does, the late word of the site counts.
    late = standing.assumed and standing.state in {TaskState.QUEUED, TaskState.UP_FOR_RETRY}
    return standing.state == TaskState.RUNNING or late
