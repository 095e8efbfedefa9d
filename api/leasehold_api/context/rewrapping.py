"""After a rotation: the data keys of everything that is sealed, wrapped anew. The ciphertexts stay as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from leasehold_api.context.sealing import Sealer, SealError, kek_id_of


class SealedKind(StrEnum):
    """What is kept sealed."""

    CONNECTION = "connections"
    VARIABLE = "variables"
    SIGNING_KEY = "signing_keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRow:
    """One sealed value, with what it is sealed for."""

    kind: SealedKind
    place: str
    """Sorts within its kind, and finds the row again."""
    identity: str
    sealed: bytes = field(repr=False)


class SealedRows(Protocol):
    """Everything sealed that the database has."""

    def count(self) -> int:
        """Return how many there are."""
        ...

    def after(self, kind: SealedKind, place: str | None) -> list[SealedRow]:
        """Return the next rows of a kind, in the order of their places; none at the end."""
        ...

    def replace(self, changed: list[tuple[SealedRow, bytes]], *, kek_id: str) -> int:
        """Set new sealed values where the old ones still are, in one transaction, and audit it; say how many."""
        ...


@dataclass(slots=True)
class Rewrapped:
    """What a pass came to."""

    seen: int = 0
    rewrapped: int = 0
    overtaken: int = 0
    """Changed by somebody else meanwhile, who sealed it with the active key."""
    damaged: list[str] = field(default_factory=list[str])
    """Why, for each value that does not open."""


def every_row(rows: SealedRows) -> Iterator[list[SealedRow]]:
    """Yield everything sealed, in batches."""
    for kind in SealedKind:
        place = None
        while batch := rows.after(kind, place):
            yield batch
            place = batch[-1].place


def usage(rows: SealedRows) -> dict[str, Counter[SealedKind]]:
    """Return how many values of each kind need each key-encryption key. A damaged one counts for no key."""
    counts: dict[str, Counter[SealedKind]] = {}
    for batch in every_row(rows):
        for row in batch:
            try:
                counts.setdefault(kek_id_of(row.sealed), Counter())[row.kind] += 1
            except SealError:
                continue
    return counts


def rewrap(rows: SealedRows, sealer: Sealer, *, kek_id: str, step: Callable[[int], None]) -> Rewrapped:
    """Wrap every data key with the active key, ``kek_id``. Ended half-way, it goes on where it was when run again.

    Args:
        rows: The rows.
        sealer: Has the keys; ``kek_id`` is its active one.
        kek_id: For the audit trail.
        step: Called with the number of rows that were looked at since the last call.
    """
    done = Rewrapped()
    for batch in every_row(rows):
        changed: list[tuple[SealedRow, bytes]] = []
        for row in batch:
            try:
                sealed = sealer.rewrapped(row.sealed, identity=row.identity)
            except SealError as error:
                done.damaged.append(str(error))
                continue
            if sealed != row.sealed:
                changed.append((row, sealed))
        replaced = rows.replace(changed, kek_id=kek_id) if changed else 0
        done.seen += len(batch)
        done.rewrapped += replaced
        done.overtaken += len(changed) - replaced
        step(len(batch))
    return done
