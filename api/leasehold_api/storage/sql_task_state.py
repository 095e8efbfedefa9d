"""What tasks keep across their tries, on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import text

from leasehold_api.callers import TaskCaller
from leasehold_api.errors import LeaseLostError, NotFoundError
from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_attempts import pass_fence
from leasehold_api.storage.sql_entitlement import lease_runs
from leasehold_api.storage.sql_kept_state import IS_THERE, apply_changes
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import parse_attempt_id
from leasehold_protocol.v1.message import Json
from leasehold_protocol.v1.waiting import StateChange

_VALUE = text(f"SELECT value FROM task_state WHERE {IS_THERE} AND key = :key")
_KEYS = text(f"SELECT key FROM task_state WHERE {IS_THERE}")


class SqlTaskState:
    """Implements ``leasehold_api.context.task_state.TaskStateStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, reader: TaskCaller, key: str, *, now: float) -> Json:
        """Return a value; see the port."""

        def operation(tx: Transaction) -> Json:
            _require_lease(tx, reader)
            value = tx.run(_VALUE, {"id": reader.task_instance, "key": key, "now": now}).scalar_one_or_none()
            if value is None:
                raise NotFoundError(f"task {reader.task} keeps no {key!r}")
            return json.loads(value)

        return await self._database.read(lambda connection: operation(Transaction(connection)))

    async def keys(self, reader: TaskCaller, prefix: str, *, now: float) -> list[str]:
        """Return the keys that begin with ``prefix``; see the port."""

        def operation(tx: Transaction) -> list[str]:
            _require_lease(tx, reader)
            keys = tx.run(_KEYS, {"id": reader.task_instance, "now": now}).scalars()
            return sorted(key for key in keys if key.startswith(prefix))

        return await self._database.read(lambda connection: operation(Transaction(connection)))

    async def write(self, agent_id: str, attempt: str, changes: Sequence[StateChange], *, now: float) -> None:
        """Write behind the fence; see the port."""

        def operation(tx: Transaction) -> None:
            pass_fence(tx, agent_id, attempt)
            apply_changes(tx, parse_attempt_id(attempt)[0], changes, now=now)

        await self._database.write(operation)


def _require_lease(tx: Transaction, reader: TaskCaller) -> None:
    if not lease_runs(tx, reader):
        raise LeaseLostError("the lease of the task that asks is over; stop the attempt")
