"""Metrics, XComs and the log's state of attempts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import text

from leasehold_api.storage.sql_together import Together
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.telemetry import MetricPoint

_PUT_XCOM = text("""
    INSERT INTO xcoms (task_instance_id, key, epoch, size, value, object, length)
    VALUES (:id, :key, :epoch, :size, :value, :object, :length)
    ON CONFLICT (task_instance_id, key) DO UPDATE
       SET epoch = excluded.epoch, size = excluded.size, value = excluded.value, object = excluded.object,
           length = excluded.length
""")

_FORGET_FILES = text("DELETE FROM xcom_files WHERE task_instance_id = :id AND key = :key")

_PUT_FILE = text("""
    INSERT INTO xcom_files (task_instance_id, key, sha256, epoch, size) VALUES (:id, :key, :sha256, :epoch, :size)
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
    tx: Transaction,
    instance: str,
    epoch: int,
    key: str,
    *,
    value: str | None,
    size: int,
    upload: str | None,
    files: Mapping[str, int] | None = None,
    length: int | None = None,
    together: Together | None = None,
) -> None:
    """Store an XCom, and which files (SHA-256 → size) it names; the caller has compared the epoch in this transaction.

    One that names none leaves an older epoch's rows alone: who reads compares the epochs.
    """
    stored = {"id": instance, "key": key, "epoch": epoch, "size": size, "value": value, "object": upload}
    stored["length"] = length
    if together is not None:
        together.write(_PUT_XCOM, stored)
    else:
        tx.run(_PUT_XCOM, stored)
    if files:
        named = {"id": instance, "key": key}
        tx.run(_FORGET_FILES, named)
        tx.run(_PUT_FILE, [{**named, "epoch": epoch, "sha256": name, "size": each} for name, each in files.items()])


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
