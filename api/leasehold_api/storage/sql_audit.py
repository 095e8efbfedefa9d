"""The audit trail: rows are added in the transaction whose effect they record, and never changed.

They are chained later, by ``leasehold_api.audit.sealer``: transactions that run at once would fork the chain.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import insert

from leasehold_api import clock
from leasehold_api.acting import By, Team
from leasehold_api.audit.trail import without_secrets
from leasehold_api.signals import Signal, Topic
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
    """Add a row. Nothing secret may be in it; of a token that was pasted in by mistake the secret half is left out."""
    row = {
        # Made here, because a transaction that is run again shall get another id: nobody refers to it.
        "id": clock.new_id("aud"),
        "at": at,
        "team_id": team_id,
        "actor": without_secrets(actor),
        "action": action,
        "object": without_secrets(object),
        "result": result,
        "address": address,
        "detail": None if detail is None else without_secrets(json.dumps(detail, separators=(",", ":"))),
    }
    tx.run(insert(audit), row)
    tx.signal(Signal(Topic.AUDIT, ""))


def record_in_team(
    tx: Transaction,
    action: str,
    object: str,  # noqa: A002 - the column's name
    team: Team,
    by: By,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add a row about what somebody did to something of a team."""
    record(
        tx,
        at=by.at,
        actor=by.actor,
        address=by.address,
        action=action,
        object=object,
        team_id=team.id,
        detail=detail,
    )
