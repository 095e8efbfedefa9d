"""The audit trail: lines are added in the transaction whose effect they record, and never changed."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import insert

from leasehold_api import clock
from leasehold_api.storage.tables import audit
from leasehold_api.storage.writer import Transaction


def record(
    tx: Transaction,
    *,
    at: float,
    actor: str,
    action: str,
    object: str,  # noqa: A002 - the column's name
    result: str = "done",
    team_id: str | None = None,
    address: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add a line. Nothing secret may be in it."""
    row = {
        # Made here, because a transaction that is run again shall get another id: nobody refers to it.
        "id": clock.new_id("aud"),
        "at": at,
        "team_id": team_id,
        "actor": actor,
        "action": action,
        "object": object,
        "result": result,
        "address": address,
        "detail": None if detail is None else json.dumps(detail, separators=(",", ":")),
    }
    tx.run(insert(audit), row)
