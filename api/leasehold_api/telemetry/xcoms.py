"""What tasks read of what others left: values by task, run and map index, and the files that values name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leasehold_api.callers import TaskCaller

PREVIOUS = "previous"
"""In place of a run's id: the newest earlier run of the same DAG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XCom:
    """A stored XCom."""

    run: str
    task: str
    map_index: int
    key: str
    size: int
    value: str | None
    """The JSON text, when it is small."""
    upload: str | None
    """Else the SHA-256 of the blob that holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XComSlice:
    """Some of a mapped task's values."""

    items: list[XCom]
    """In the order of their map index. A value that is not small may be left out of them: it is read by itself."""
    count: int
    """How many there are in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which XCom."""

    task: str
    key: str
    run: str | None = None
    """Another run of the same DAG, or ``PREVIOUS``; none: the reader's own."""


class XComReads(Protocol):
    """Values as running tasks read them. Its promises are ``tests/api/contracts/xcom_reads.py``.

    Of its own run a task reads what it waited for, and its own; of other runs of its DAG what any task left that
    succeeded. All raise:
        LeaseLostError: the reader's lease is over.
        ApiError: ``not_declared``: another DAG's run, or a task of this run that the reader does not wait for.
        NotFoundError: there is no such run.
    """

    async def one(self, reader: TaskCaller, wanted: Wanted, *, map_index: int, include_prior: bool) -> XCom:
        """Return one; with ``include_prior`` the newest that this run or an earlier one of its DAG has.

        Raises:
            NotFoundError: if there is none.
        """
        ...

    async def slice(self, reader: TaskCaller, wanted: Wanted, *, offset: int, limit: int) -> XComSlice:
        """Return up to ``limit`` values of a task's instances from position ``offset``; with a limit of 0 the count."""
        ...

    async def may_read_file(self, reader: TaskCaller, sha256: str) -> None:
        """Make sure that a value which the reader may read names this file.

        Raises:
            NotFoundError: if none does. It does not say whether there is such a file.
        """
        ...
