"""Which dates a backfill runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from leasehold_api.clock import instant
from leasehold_api.errors import ConflictError, InvalidRequestError
from leasehold_api.schedules import times
from leasehold_protocol.v1.runs import RunState
from leasehold_protocol.v1.schedules import (
    MOST_BACKFILL_RUNS,
    BackfillDate,
    BackfillRequest,
    Reprocess,
    Schedule,
)

Existing = Mapping[float, tuple[str, RunState]]
"""Logical date → the last run that there is, and how it stands."""

_AGAIN = {
    Reprocess.NONE: frozenset[RunState](),
    Reprocess.FAILED: frozenset({RunState.FAILED, RunState.CANCELLED}),
    Reprocess.COMPLETED: frozenset({RunState.FAILED, RunState.CANCELLED, RunState.SUCCESS}),
}


def dates(schedule: Schedule | None, wanted: BackfillRequest, *, anchor: float) -> list[float]:
    """Return the times of a schedule between two dates, both included.

    Raises:
        ConflictError: if the schedule does not go by time.
        InvalidRequestError: if there are too many, or the dates are the wrong way round.
    """
    if schedule is None or not schedule.goes_by_time:
        raise ConflictError("the DAG has no schedule by time: give it one, or start runs: leasehold runs trigger DAG")
    first, last = wanted.from_.timestamp(), wanted.to.timestamp()
    if last < first:
        raise InvalidRequestError("the dates are the wrong way round: from is after to")
    # Its start and end bound what it does by itself; a backfill is for what it did not do.
    whole = schedule.model_copy(update={"start": None, "end": None, "catchup": False})
    start = times.start_of(schedule, anchor)
    found = list(islice(times.times(whole, after=first - 0.001, until=last, anchor=start), MOST_BACKFILL_RUNS + 1))
    if len(found) > MOST_BACKFILL_RUNS:
        raise InvalidRequestError(
            f"a backfill has {MOST_BACKFILL_RUNS} dates at most, and these are more: divide the time among several"
        )
    return found


def planned(dates: list[float], existing: Existing, reprocess: Reprocess) -> list[BackfillDate]:
    """Return for each date whether it will be run."""
    return [_planned(date, existing.get(date), reprocess) for date in dates]


def _planned(date: float, known: tuple[str, RunState] | None, reprocess: Reprocess) -> BackfillDate:
    if known is None:
        return BackfillDate(logical_date=instant(date), will_run=True)
    run, state = known
    return BackfillDate(logical_date=instant(date), will_run=state in _AGAIN[reprocess], run=run, state=state.value)
