"""The last run of a DAG that succeeded, for templates that name it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, text

from leasehold_api.clock import instant, instant_or_none
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.leases import PreviousSuccess

_LAST = text("""
    SELECT logical_date, data_interval_start, data_interval_end, started_at, ended_at FROM runs
     WHERE dag_id = :dag AND logical_date < :before AND state = 'success' AND deleted_at IS NULL
     ORDER BY logical_date DESC, id DESC LIMIT 1
""")


def may_name_previous(text_: str) -> bool:
    """Say whether templates in a text (a manifest, a run's parameters) may name that run: nobody else pays for it."""
    return "prev_" in text_


def previous_success(tx: Transaction, run: Row[Any]) -> PreviousSuccess | None:
    """Return the newest run before this one that succeeded; ``run`` has its DAG and logical date."""
    row = tx.run(_LAST, {"dag": run.dag_id, "before": run.logical_date}).one_or_none()
    if row is None:
        return None
    return PreviousSuccess(
        logical_date=instant(row.logical_date),
        data_interval_start=instant_or_none(row.data_interval_start),
        data_interval_end=instant_or_none(row.data_interval_end),
        started_at=instant_or_none(row.started_at),
        ended_at=instant_or_none(row.ended_at),
    )
