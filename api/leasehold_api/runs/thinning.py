"""Logs, XComs and metrics that go before their run does: found by a watermark, deleted in an order a crash can't spoil.

For each DAG and each of the three it is known up to which ended run they are deleted. What ended after that, and long
enough ago, is next: part by part the logs themselves, then the rows, which say from then on what is gone. The
watermark comes last: after a crash the same runs are gone through again. A run that was opened again ends again after
the watermark, and comes again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from leasehold_api.acting import Team
from leasehold_api.objects.logs import LogStore
from leasehold_protocol.v1.retention import Thinned, ThinnedDag

log = logging.getLogger(__name__)

DAY_S = 86400.0
MOST_RUNS = 200
"""Runs that the watermark passes at once."""
MOST_INSTANCES = 200
"""Task instances of which something is deleted in one transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptApart:
    """How many days after the end of a run something it left is kept; none: as long as the run."""

    logs: float | None = None
    xcoms: float | None = None
    metrics: float | None = None

    def days(self) -> dict[Thinned, float]:
        """Return what is kept for less time than its run may be, and how long."""
        said = {Thinned.LOGS: self.logs, Thinned.XCOMS: self.xcoms, Thinned.METRICS: self.metrics}
        return {what: days for what, days in said.items() if days is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Runs of one DAG, one after the other behind the watermark."""

    dag_id: str
    what: Thinned
    runs: Sequence[str]
    ended_at: float
    """When the last of them ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a batch was gone through: a run of it, and a task instance of that run."""

    run: int = 0
    task: str = ""
    map_index: int = -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What is deleted of a batch in one transaction."""

    instances: Mapping[str, Sequence[str]]
    """Run → task instances."""
    attempts: Sequence[str]
    """Whose logs go first, when logs go."""
    end: Place


class ThinningStore(Protocol):
    """What went before its run, and what is next. Its promises are ``tests/api/contracts/thinning.py``."""

    async def due(self, what: Thinned, *, ended_before: float) -> list[str]:
        """Return the ids of DAGs, of all teams, that have something to delete."""
        ...

    async def next_batch(self, dag_id: str, what: Thinned, *, ended_before: float, most: int) -> Batch | None:
        """Return the runs that come next; none when there are none. The newest run of a DAG is never among them."""
        ...

    async def next_piece(self, batch: Batch, *, after: Place, most: int) -> Piece | None:
        """Return the next task instances of a batch; none when it is gone through."""
        ...

    async def thin(self, batch: Batch, piece: Piece, *, now: float) -> None:
        """Delete rows, and write down that they, or the logs, are gone. What was opened again meanwhile is spared."""
        ...

    async def pass_by(self, batch: Batch, *, now: float) -> None:
        """Move the watermark behind a batch, if nobody moved it on already."""
        ...

    async def outlook(self, team: Team, dag: str | None, kept: KeptApart, *, now: float) -> list[ThinnedDag]:
        """Return what goes next, of one DAG or of all.

        Raises:
            NotFoundError: if the team has no such DAG.
        """
        ...


class Thinner:
    """Deletes of old runs what is not kept as long as they are. Any number of API processes may do so at once."""

    def __init__(self, store: ThinningStore, *, logs: LogStore, kept: KeptApart, clock: Callable[[], float]) -> None:
        self._store = store
        self._logs = logs
        self._kept = kept
        self._clock = clock

    async def thin(self, *, may_go_on: Callable[[], bool]) -> None:
        """Delete all that is due; asked before each transaction, ``may_go_on`` ends it between two of them."""
        for what, days in self._kept.days().items():
            before = self._clock() - days * DAY_S
            for dag_id in await self._store.due(what, ended_before=before):
                while may_go_on():
                    batch = await self._store.next_batch(dag_id, what, ended_before=before, most=MOST_RUNS)
                    if batch is None or not await self._thin(batch, may_go_on):
                        break

    async def _thin(self, batch: Batch, may_go_on: Callable[[], bool]) -> bool:
        """Return whether it came to the end of the batch."""
        place = Place()
        while (piece := await self._store.next_piece(batch, after=place, most=MOST_INSTANCES)) is not None:
            if not may_go_on():
                return False
            for attempt in piece.attempts:
                await self._logs.clear(attempt)
            await self._store.thin(batch, piece, now=self._clock())
            place = piece.end
        await self._store.pass_by(batch, now=self._clock())
        log.info("old runs are thinned", extra={"what": batch.what.value, "dag": batch.dag_id, "runs": len(batch.runs)})
        return True
