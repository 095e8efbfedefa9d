"""Schedules as the rest of the house uses them: what is due is begun, people pause DAGs and fill in the past."""

from __future__ import annotations

from typing import Protocol

from leasehold_api.acting import By, Slice
from leasehold_protocol.v1.schedules import Backfill, BackfillPlan, BackfillRequest, ScheduleStanding

SCHEDULED_AT_ONCE = 16
"""How many runs of a DAG with a schedule go on at the same time where its author says nothing."""


class ScheduleStore(Protocol):
    """When DAGs run by themselves. Its promises are ``tests/api/contracts/schedules.py``."""

    async def begin_due(self, *, now: float) -> int:
        """Begin the runs that are due, and those of backfills; return how many. Several processes may do so at once."""
        ...

    async def next_deadline(self) -> float | None:
        """Return when there is something to begin next."""
        ...

    async def pause(self, team_id: str, dag: str, *, note: str | None, by: By) -> ScheduleStanding:
        """Begin no more runs by the schedule; those that go on do so. Pausing again changes the note.

        Raises:
            NotFoundError: if the team has no such DAG.
        """
        ...

    async def unpause(self, team_id: str, dag: str, *, by: By) -> ScheduleStanding:
        """Let the schedule begin runs again: of the times meanwhile the latest, or with ``catchup`` each.

        Raises:
            NotFoundError: if the team has no such DAG.
        """
        ...


class BackfillStore(Protocol):
    """Runs for dates in the past. Its promises are ``tests/api/contracts/backfills.py``."""

    async def plan(self, team_id: str, dag: str, wanted: BackfillRequest) -> BackfillPlan:
        """Return what a backfill would do.

        Raises:
            NotFoundError: if the team has no such DAG.
            ConflictError: if the DAG does not go by time.
            InvalidRequestError: if there are too many dates, or they are the wrong way round.
        """
        ...

    async def begin(self, team_id: str, dag: str, wanted: BackfillRequest, *, by: By) -> Backfill:
        """Begin a backfill; its runs are begun by whoever begins what is due.

        Raises:
            As ``plan`` does, and ConflictError if there is nothing to do, or one of this DAG goes on already.
        """
        ...

    async def get(self, team_id: str, backfill: str) -> Backfill:
        """Return one.

        Raises:
            NotFoundError: if the team has no such backfill.
        """
        ...

    async def list(self, team_id: str, which: Slice) -> list[Backfill]:
        """Return the team's backfills, newest first; ``after``: older than this."""
        ...

    async def cancel(self, team_id: str, backfill: str, *, by: By) -> Backfill:
        """Begin no more of its runs, and cancel those that go on.

        Raises:
            NotFoundError: if the team has no such backfill.
            ConflictError: if it is over.
        """
        ...
