"""Writing what tasks keep across their tries; whoever calls has compared the epoch in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import text

from leasehold_api.context.task_state import MOST_KEYS, VALUE_BYTES
from leasehold_api.errors import InvalidRequestError
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.waiting import StateChange

_PUT = text("""
    INSERT INTO task_state (task_instance_id, key, value, size, expires_at, updated_at)
    VALUES (:id, :key, :value, :size, :expires_at, :now)
    ON CONFLICT (task_instance_id, key) DO UPDATE
       SET value = excluded.value, size = excluded.size, expires_at = excluded.expires_at,
           updated_at = excluded.updated_at
""")
_REMOVE = text("DELETE FROM task_state WHERE task_instance_id = :id AND key = :key")
_CLEAR = text("DELETE FROM task_state WHERE task_instance_id = :id")
_EXPIRE = text("DELETE FROM task_state WHERE task_instance_id = :id AND expires_at <= :now")

IS_THERE = "task_instance_id = :id AND (expires_at IS NULL OR expires_at > :now)"
_COUNT = text(f"SELECT count(*) FROM task_state WHERE {IS_THERE}")


def apply_changes(tx: Transaction, instance: str, changes: Sequence[StateChange], *, now: float) -> None:
    """Write what an attempt kept; the caller has compared the epoch in this transaction. The same again is no harm.

    Raises:
        InvalidRequestError: if it is more than a task may keep. Hosts see to that before the task goes on.
    """
    if not changes:
        return
    for change in changes:
        _apply(tx, instance, change, now=now)
    tx.run(_EXPIRE, {"id": instance, "now": now})
    if count_keys(tx, instance, now=now) > MOST_KEYS:
        raise InvalidRequestError(f"a task keeps {MOST_KEYS} keys at most: remove some with state.delete")


def count_keys(tx: Transaction, instance: str, *, now: float) -> int:
    """Return how many keys a task instance has."""
    count: int = tx.run(_COUNT, {"id": instance, "now": now}).scalar_one()
    return count


def _apply(tx: Transaction, instance: str, change: StateChange, *, now: float) -> None:
    if change.key is None:
        tx.run(_CLEAR, {"id": instance})
        return
    if change.removed:
        tx.run(_REMOVE, {"id": instance, "key": change.key})
        return
    value = json.dumps(change.value)
    size = len(json.dumps(change.value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > VALUE_BYTES:
        raise InvalidRequestError(f"{change.key}: a value of {size} bytes is too large: {VALUE_BYTES} are the most")
    expires_at = None if change.expires_after_s is None else now - change.age_s + change.expires_after_s
    row = {"id": instance, "key": change.key, "value": value, "size": size, "expires_at": expires_at, "now": now}
    tx.run(_PUT, row)
