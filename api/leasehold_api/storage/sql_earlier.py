"""What a lease tells of what came before it in its task instance."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from leasehold_api.clock import instant
from leasehold_api.storage.sql_kept_state import count_keys
from leasehold_api.storage.sql_waits import settled_waits
from leasehold_api.storage.writer import Transaction
from leasehold_protocol.v1.waiting import Earlier


def earlier_than(tx: Transaction, row: Row[Any], *, now: float) -> Earlier:
    """Return it for a claimed row. The first lease of a task instance, which most are, costs no statement."""
    if row.epoch == 1:
        return Earlier()
    return Earlier(
        rescheduled=row.rescheduled,
        first_started_at=instant(row.started_at),
        first_started_ago_s=max(0.0, now - row.started_at),
        resumed=row.resumed,
        waits=settled_waits(tx, row.id),
        state_keys=count_keys(tx, row.id, now=now),
    )
