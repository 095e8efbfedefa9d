"""How long runs are kept, and how what they left goes: in parts, in an order that a crash can't spoil.

First a run is marked: nobody sees it any more. Then, part by part, its logs, and in one transaction the rows that named
them; last its own row. Blobs go much later, when nothing names them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from leasehold_api.acting import By, Team
from leasehold_api.errors import ApiError
from leasehold_api.objects.blobs import BlobsOf
from leasehold_api.objects.logs import LogStore
from leasehold_api.runs.thinning import DAY_S as DAY_S
from leasehold_api.runs.thinning import Thinner
from leasehold_protocol.v1.retention import PruneAnswer, PruneRequest

log = logging.getLogger(__name__)

EVERY_S = 600.0
MOST_RUNS = 200
"""Runs marked in one transaction."""
MOST_INSTANCES = 200
"""Task instances deleted in one transaction."""
MOST_BLOBS = 200
BLOBS_STAY_S = 8 * DAY_S
"""A blob that nothing names any more stays as long as an attempt that saw it may still be on its way."""


def kept_days(server: float | None, dag: float | None) -> float | None:
    """Return how long the runs of a DAG are kept: the shorter of both; none: for ever."""
    said = [days for days in (server, dag) if days is not None]
    return min(said) if said else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a run that is being deleted."""

    run: str
    team_id: str
    instances: Sequence[str]
    """Empty: nothing but the run itself is left."""
    attempts: Sequence[str]
    """Whose logs go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unneeded:
    """A blob that was named by something that is deleted."""

    team_id: str
    sha256: str


class RetentionStore(Protocol):
    """What is old, and deleting it. Its promises are ``tests/api/contracts/retention.py``."""

    async def delete(self, team: Team, run: str, *, by: By) -> None:
        """Mark a run: nobody sees it any more.

        Raises:
            NotFoundError: if the team has no such run.
            ConflictError: if it has not ended.
        """
        ...

    async def prune(
        self, team: Team, asked: PruneRequest, *, server_days: float | None, by: By, thins: bool = False
    ) -> PruneAnswer:
        """Mark what is old, or only say what is; where the server ``thins`` runs there is always something to say.

        Raises:
            InvalidRequestError: if nothing says how long runs are kept.
            NotFoundError: if the team has no such DAG.
        """
        ...

    async def mark_old(self, *, server_days: float | None, most: int, now: float) -> int:
        """Mark, in all teams, what is older than it is kept; return how many."""
        ...

    async def next_part(self, *, most: int) -> Part | None:
        """Return a part of a run that is marked; none when nothing is."""
        ...

    async def forget(self, part: Part, *, now: float) -> None:
        """Delete the rows of a part; the blobs that they named are noted."""
        ...

    async def unneeded(self, *, since_before: float, most: int) -> list[Unneeded]:
        """Return blobs noted before a moment that nothing names; what is named again is taken off the list."""
        ...

    async def blobs_gone(self, blobs: Sequence[Unneeded]) -> None:
        """Take blobs off the list."""
        ...


class Retention:
    """Deletes what was marked, and marks what is old. Any number of API processes may do so at once."""

    def __init__(
        self,
        store: RetentionStore,
        scheduler: AsyncIOScheduler,
        *,
        logs: LogStore,
        blobs_of: BlobsOf,
        server_days: float | None,
        thinner: Thinner,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._logs = logs
        self._blobs_of = blobs_of
        self._server_days = server_days
        self._thinner = thinner
        self._clock = clock
        self._turn = asyncio.Lock()
        self._closed = False

    def start(self) -> None:
        """Look now and then."""
        self._scheduler.add_job(self.sweep, "interval", seconds=EVERY_S, id="retention", coalesce=True)

    def soon(self) -> None:
        """Look at once: somebody deleted something."""
        self._scheduler.add_job(self.sweep, id="retention now", replace_existing=True, misfire_grace_time=None)

    async def close(self) -> None:
        """Stop after the part under way; the next start goes on."""
        self._closed = True
        async with self._turn:
            pass

    async def sweep(self) -> None:
        """Mark what is old, delete what is marked, thin what stays, collect what nothing names."""
        async with self._turn:
            try:
                while not self._closed and await self._mark() == MOST_RUNS:
                    await self._delete_marked()
                await self._delete_marked()
                await self._thinner.thin(may_go_on=lambda: not self._closed)
                await self._collect_blobs()
            except (ApiError, OSError) as error:
                log.warning("old runs wait to be deleted", extra={"cause": str(error)})

    async def _mark(self) -> int:
        marked = await self._store.mark_old(server_days=self._server_days, most=MOST_RUNS, now=self._clock())
        if marked:
            log.info("old runs are deleted", extra={"runs": marked})
        return marked

    async def _delete_marked(self) -> None:
        while not self._closed and (part := await self._store.next_part(most=MOST_INSTANCES)) is not None:
            for attempt in part.attempts:
                await self._logs.clear(attempt)
            await self._store.forget(part, now=self._clock())

    async def _collect_blobs(self) -> None:
        before = self._clock() - BLOBS_STAY_S
        while not self._closed and (blobs := await self._store.unneeded(since_before=before, most=MOST_BLOBS)):
            for blob in blobs:
                await self._blobs_of(blob.team_id).remove(blob.sha256, untouched_since=before)
            await self._store.blobs_gone(blobs)
