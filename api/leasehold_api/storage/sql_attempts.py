"""The attempt store on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, text

from leasehold_api.errors import LeaseLostError, NotFoundError
from leasehold_api.signals import Signal, Topic
from leasehold_api.storage.database import Database
from leasehold_api.storage.plans import Plans
from leasehold_api.storage.sql_telemetry import insert_metrics, last_metric_seq, put_xcom
from leasehold_api.storage.writer import Transaction
from leasehold_api.telemetry.attempts import LogState
from leasehold_protocol.v1.leases import parse_attempt_id
from leasehold_protocol.v1.telemetry import MetricPoint

_MINE = text("""
    SELECT 1 FROM attempts WHERE task_instance_id = :id AND epoch = :epoch AND agent_id = :agent
""")

# The comparison of the epoch and the write it fences are one transaction; the row's lock keeps a claim out meanwhile.
_FENCE = """
    SELECT t.epoch, t.state, a.assumed, a.ending FROM task_instances t
      JOIN attempts a ON a.task_instance_id = t.id AND a.epoch = :epoch
     WHERE t.id = :id AND a.agent_id = :agent {lock}
"""

_NOTE_LOG = text("""
    UPDATE attempts SET log_size = :size, log_complete = :complete
     WHERE task_instance_id = :id AND epoch = :epoch AND log_deleted_at IS NULL
""")

_LOG_DELETED = text(
    "SELECT 1 FROM attempts WHERE task_instance_id = :id AND epoch = :epoch AND log_deleted_at IS NOT NULL"
)

_LOG_STATE = text("""
    SELECT a.ending, a.assumed, a.log_size, a.log_complete, a.log_deleted_at FROM attempts a
      JOIN task_instances t ON t.id = a.task_instance_id
     WHERE t.id = :id AND a.epoch = :epoch AND t.team_id = :team
""")

_HELD_VERSIONS = text("""
    SELECT DISTINCT dag_version_id FROM task_instances WHERE agent_id = :agent AND state = 'running'
""")


class SqlAttempts:
    """Implements ``leasehold_api.telemetry.attempts.AttemptStore``."""

    def __init__(self, database: Database, plans: Plans, *, exports_metrics: bool = False) -> None:
        self._database = database
        self._plans = plans
        self._exports_metrics = exports_metrics

    async def require(self, agent_id: str, attempt: str) -> None:
        """Make sure that this agent was given this attempt; see the port."""
        parameters = _key(attempt, agent_id)
        if not await self._database.read(lambda c: c.execute(_MINE, parameters).one_or_none()):
            raise _unknown(attempt)

    async def put_xcom(
        self,
        agent_id: str,
        attempt: str,
        key: str,
        *,
        value: str | None,
        size: int,
        upload: str | None,
        files: Mapping[str, int] | None = None,
        length: int | None = None,
    ) -> None:
        """Store an XCom behind the fence; see the port."""
        instance, epoch = parse_attempt_id(attempt)

        def write(tx: Transaction) -> None:
            pass_fence(tx, agent_id, attempt)
            put_xcom(tx, instance, epoch, key, value=value, size=size, upload=upload, files=files, length=length)

        await self._database.write(write)

    async def put_metrics(self, agent_id: str, attempt: str, points: Sequence[MetricPoint]) -> int:
        """Store points; see the port."""
        instance, epoch = parse_attempt_id(attempt)

        def write(tx: Transaction) -> int:
            if tx.run(_MINE, _key(attempt, agent_id)).one_or_none() is None:
                raise _unknown(attempt)
            insert_metrics(tx, instance, epoch, points, exported=self._exports_metrics)
            return last_metric_seq(tx, instance, epoch)

        return await self._database.write(write)

    async def note_logs(self, sizes: Mapping[str, int]) -> list[str]:
        """Note that logs are whole; see the port."""
        # In one order everywhere: two API processes that note the same logs must not wait for each other.
        parameters = [{**_key(attempt), "size": size, "complete": True} for attempt, size in sorted(sizes.items())]

        def write(tx: Transaction) -> list[str]:
            noted = cast("CursorResult[Any]", tx.run(_NOTE_LOG, parameters)).rowcount
            for attempt in sizes:
                tx.signal(Signal(Topic.LOG, attempt))
            if noted == len(sizes):
                return []
            return [attempt for attempt in sorted(sizes) if tx.run(_LOG_DELETED, _key(attempt)).first() is not None]

        return await self._database.write(write)

    async def log_state(self, team_id: str, attempt: str) -> LogState:
        """Return what is known of a log; see the port."""
        parameters = {**_key(attempt), "team": team_id}
        row = await self._database.read(lambda c: c.execute(_LOG_STATE, parameters).one_or_none())
        if row is None:
            raise _unknown(attempt)
        ended = row.ending is not None and not row.assumed
        complete = bool(row.log_complete)
        return LogState(ended=ended, size=row.log_size, complete=complete, deleted_at=row.log_deleted_at)

    async def holds_bundle(self, agent_id: str, sha256: str) -> bool:
        """Return whether this agent's leases need this bundle; see the port."""

        def query(connection: Connection) -> bool:
            versions = connection.execute(_HELD_VERSIONS, {"agent": agent_id}).scalars().all()
            manifests = [self._plans.get(connection, version).manifest for version in versions]
            return any(
                sha256 == each.bundle or any(wheel.sha256 == sha256 for wheel in each.wheels) for each in manifests
            )

        return await self._database.read(query)


def pass_fence(tx: Transaction, agent_id: str, attempt: str) -> None:
    """Let an attempt write if it may still take effect.

    Raises:
        NotFoundError: if this agent was never given this attempt.
        LeaseLostError: if a newer attempt exists, or the run is over.
    """
    lock = "FOR UPDATE OF t" if tx.dialect == "postgresql" else ""
    row = tx.run(text(_FENCE.format(lock=lock)), _key(attempt, agent_id)).one_or_none()
    if row is None:
        raise _unknown(attempt)
    _, epoch = parse_attempt_id(attempt)
    # After an expiry the site's word still counts, as long as nobody leased the task instance anew.
    late = row.assumed and row.state in {"queued", "up_for_retry"}
    if row.epoch != epoch or not (row.state == "running" or late):
        raise LeaseLostError("a newer attempt of this task exists, or its run is over; stop the attempt")


def _key(attempt: str, agent_id: str | None = None) -> dict[str, object]:
    try:
        instance, epoch = parse_attempt_id(attempt)
    except ValueError:
        raise _unknown(attempt) from None
    return {"id": instance, "epoch": epoch, "agent": agent_id}


def _unknown(attempt: str) -> NotFoundError:
    return NotFoundError(f"there is no attempt {attempt} here for this caller")
