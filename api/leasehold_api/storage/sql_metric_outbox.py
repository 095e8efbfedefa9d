"""Metric points that wait to be exported, on SQLite and PostgreSQL."""

from __future__ import annotations

import json

from sqlalchemy import text

from leasehold_api.storage.database import Database
from leasehold_api.storage.sql_telemetry import WAITS
from leasehold_api.storage.writer import Transaction
from leasehold_api.telemetry.exporting import Batch
from leasehold_api.telemetry.otlp import Measured

# One statement decides between processes that want it at the same moment.
_LEAD = text("""
    INSERT INTO metric_exporter (id, holder, expires_at) VALUES (1, :holder, :expires_at)
    ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
     WHERE metric_exporter.holder = excluded.holder OR metric_exporter.expires_at <= :now
    RETURNING holder
""")

_OPEN_BATCH = text(f"SELECT export_batch FROM metric_points WHERE export_batch > '{WAITS}' LIMIT 1")

_CHOOSE = text(f"""
    UPDATE metric_points SET export_batch = :batch
     WHERE (task_instance_id, epoch, seq) IN (
        SELECT task_instance_id, epoch, seq FROM metric_points WHERE export_batch = '{WAITS}'
         ORDER BY at, task_instance_id, epoch, seq LIMIT :most)
""")

_POINTS = text("""
    SELECT m.name, m.kind, m.value, m.at, m.tags, t.task, g.name AS dag, s.name AS site, e.name AS team
      FROM metric_points m
      JOIN task_instances t ON t.id = m.task_instance_id
      JOIN runs r ON r.id = t.run_id
      JOIN dags g ON g.id = r.dag_id
      JOIN teams e ON e.id = t.team_id
      JOIN attempts a ON a.task_instance_id = m.task_instance_id AND a.epoch = m.epoch
      JOIN sites s ON s.id = a.site_id
     WHERE m.export_batch = :batch ORDER BY m.at, m.task_instance_id, m.epoch, m.seq
""")

_FORGET = text("UPDATE metric_points SET export_batch = NULL WHERE export_batch = :batch")

_WAITING = text(f"SELECT count(*) FROM metric_points WHERE export_batch = '{WAITS}'")

_GIVE_UP = text(f"""
    UPDATE metric_points SET export_batch = NULL
     WHERE (task_instance_id, epoch, seq) IN (
        SELECT task_instance_id, epoch, seq FROM metric_points WHERE export_batch = '{WAITS}'
         ORDER BY at, task_instance_id, epoch, seq LIMIT :many)
""")


class SqlMetricOutbox:
    """Implements ``leasehold_api.telemetry.exporting.MetricOutbox``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lead(self, holder: str, *, now: float, expires_at: float) -> bool:
        """Say whether the holder may export; see the port."""
        parameters = {"holder": holder, "now": now, "expires_at": expires_at}
        return await self._database.write(lambda tx: tx.run(_LEAD, parameters).first() is not None)

    async def take(self, new_id: str, *, most: int) -> Batch | None:
        """Return the batch under way, or a new one; see the port."""

        def operation(tx: Transaction) -> Batch | None:
            batch = tx.run(_OPEN_BATCH).scalar_one_or_none()
            if batch is None:
                tx.run(_CHOOSE, {"batch": new_id, "most": most})
                batch = new_id
            points = [
                Measured(
                    name=row.name,
                    kind=row.kind,
                    value=row.value,
                    at=row.at,
                    team=row.team,
                    dag=row.dag,
                    task=row.task,
                    site=row.site,
                    tags=json.loads(row.tags) if row.tags else {},
                )
                for row in tx.run(_POINTS, {"batch": batch})
            ]
            return Batch(id=batch, points=points) if points else None

        return await self._database.write(operation)

    async def forget(self, batch: str) -> None:
        """Take a batch off the list; see the port."""
        await self._database.write(lambda tx: tx.run(_FORGET, {"batch": batch}).close())

    async def keep_newest(self, most: int) -> int:
        """Give up the oldest; see the port."""

        def operation(tx: Transaction) -> int:
            many = max(0, int(tx.run(_WAITING).scalar_one()) - most)
            if many:
                tx.run(_GIVE_UP, {"many": many})
            return many

        return await self._database.write(operation)
