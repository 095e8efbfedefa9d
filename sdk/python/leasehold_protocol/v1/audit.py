"""The audit trail: who did what to what, from where, with what result; each row has the hash of the one before."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from leasehold_protocol.v1.message import Instant, Json, Message, Page, Sha256

NDJSON_MEDIA_TYPE = "application/x-ndjson"


class AuditRow(Message):
    """One row; also one line of an export."""

    seq: Annotated[int, Field(ge=1)]
    """Counts from 1 without gaps over all teams; a team sees its own rows."""
    id: str
    at: Instant
    team_id: str | None = None
    """None: it belongs to the platform."""
    actor: str
    """``token:<name>``, ``agent:<id>``, ``task:<attempt>``, ``enrolment:<token id>``, ``leasehold`` or ``unknown``."""
    action: str
    object: str
    result: str
    """``done``, ``refused``, ``alarm``, or for a task's request what came of it."""
    address: str | None = None
    detail: Json = None
    previous_hash: Sha256
    """The hash of the row with the number before; sixty-four zeros in the first."""
    hash: Sha256
    """SHA-256 of ``previous_hash``, a line feed, and the row's other fields as canonical JSON."""


class AuditList(Page):
    """``GET /v1/audit`` and ``GET /v1/teams/{team}/audit``: rows in the order of the chain."""

    items: list[AuditRow]
