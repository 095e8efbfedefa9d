"""Metrics, XComs and the log's state of attempts."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import text

from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.telemetry import MetricPoint

_PUT_XCOM = text("""
    INSERT INTO xcoms (task_instance_id, key, epoch, size, value, object)
    VALUES (:id, :key, :epoch, :size, :value, :object)
    ON CONFLICT (task_instance_id, key) DO UPDATE
       SET epoch = excluded.epoch, size = excluded.size, value = excluded.value, object = excluded.object
""")

_PUT_METRIC = text("""
    INSERT INTO metric_points (task_instance_id, epoch, seq, at, name, kind, value, tags, export_batch)
    VALUES (:id, :epoch, :seq, :at, :name, :kind, :value, :tags, :export_batch)
    ON CONFLICT (task_instance_id, epoch, seq) DO NOTHING
""")

WAITS = ""
"""The ``export_batch`` of a point that waits to be exported."""

_LAST_METRIC = text("SELECT max(seq) FROM metric_points WHERE task_instance_id = :id AND epoch = :epoch")


def put_xcom(
    tx: Transaction, instance: str, epoch: int, key: str, *, value: str | None, size: int, upload: str | None
) -> None:
    """Store an XCom; the caller has compared the epoch in this transaction."""
    tx.run(_PUT_XCOM, {"id": instance, "key": key, "epoch": epoch, "size": size, "value": value, "object": upload})


def insert_metrics(
    tx: Transaction, instance: str, epoch: int, points: Sequence[MetricPoint], *, exported: bool
) -> None:
    """Store points; those that are there already stay as they are, and are not exported again."""
    if points:
        tx.run(
            _PUT_METRIC,
            [
                {
                    "id": instance,
                    "epoch": epoch,
                    "seq": point.seq,
                    "at": point.at.timestamp(),
                    "name": point.name,
                    "kind": point.kind,
                    "value": point.value,
                    "tags": json.dumps(point.tags) if point.tags else None,
                    "export_batch": WAITS if exported else None,
                }
                for point in points
            ],
        )


def last_metric_seq(tx: Transaction, instance: str, epoch: int) -> int:
    """Return the highest sequence number stored; 0 when there is none."""
    return tx.run(_LAST_METRIC, {"id": instance, "epoch": epoch}).scalar_one() or 0
