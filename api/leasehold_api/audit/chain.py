"""The hash chain over the audit trail: how a row is hashed, and what a walk along the chain finds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum

from leasehold_protocol.v1.audit import AuditRow

GENESIS = "0" * 64
"""Stands before the first row."""

_HASHED = ("seq", "id", "team_id", "actor", "action", "object", "result", "address", "detail")


class Break(StrEnum):
    """What is wrong with a chain."""

    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    REPLACED = "replaced"  # each row is whole, but they don't belong together
    CUT = "cut"  # whole in itself, but without the head that was noted earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first row that is not as it was sealed."""

    seq: int
    kind: Break
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a walk along the chain found."""

    rows: int
    head_seq: int
    """The last row that holds; 0 when none does."""
    head_hash: str
    broken: Broken | None


def hash_of(row: AuditRow) -> str:
    """Return the hash that ``row`` must have after ``row.previous_hash``. An export's line is hashed the same way."""
    fields = {name: getattr(row, name) for name in _HASHED}
    fields["at"] = row.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{row.previous_hash}\n{canonical}".encode()).hexdigest()


def sealed(row: AuditRow) -> AuditRow:
    """Return ``row`` with its hash."""
    return row.model_copy(update={"hash": hash_of(row)})


def walk(rows: Iterable[AuditRow], *, is_part: bool = False, noted: str | None = None) -> Verdict:
    """Walk along the chain until the first row that is not as it was sealed.

    Args:
        rows: in the order in which they are kept.
        is_part: rows may be missing (one team's, or filtered): each is checked, and those that follow each other.
        noted: a head's hash from an earlier walk; it must be in the chain.
    """
    left = iter(rows)
    count, seq, head, is_met = 0, 0, GENESIS, noted in (None, GENESIS)
    for row in left:
        if broken := _judge(row, left, seq=seq, head=head, is_part=is_part):
            return Verdict(rows=count, head_seq=seq, head_hash=head, broken=broken)
        count, seq, head = count + 1, row.seq, row.hash
        is_met = is_met or head == noted
    cut = None
    if not is_met:
        why = "the head noted earlier is not in it: rows at its end were removed, or the chain was made anew"
        cut = Broken(seq=seq + 1, kind=Break.CUT, why=why)
    return Verdict(rows=count, head_seq=seq, head_hash=head, broken=cut)


def _judge(row: AuditRow, left: Iterator[AuditRow], *, seq: int, head: str, is_part: bool) -> Broken | None:
    if row.seq <= seq:
        return Broken(seq=row.seq, kind=Break.REORDERED, why=f"row {row.seq} stands after row {seq}")
    follows = row.seq == seq + 1
    if not follows and not is_part:
        missing = seq + 1
        if any(later.seq == missing for later in left):
            return Broken(seq=missing, kind=Break.REORDERED, why=f"row {missing} stands after row {row.seq}")
        return Broken(seq=missing, kind=Break.REMOVED, why=f"row {missing} is missing before row {row.seq}")
    if hash_of(row) != row.hash:
        return Broken(seq=row.seq, kind=Break.CHANGED, why=f"what row {row.seq} says is not what was sealed")
    if follows and row.previous_hash != head:
        why = f"row {row.seq} was not sealed after the row {seq} that is there: one of the two was replaced"
        return Broken(seq=row.seq, kind=Break.REPLACED, why=why)
    return None
