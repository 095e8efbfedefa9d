"""Rows of schedules as messages."""

from __future__ import annotations

from itertools import islice
from typing import Any

from sqlalchemy import Row

from leasehold_api.clock import instant, instant_or_none
from leasehold_api.schedules import times
from leasehold_protocol.v1.schedules import Schedule, ScheduleStanding

UPCOMING = 5
EARLIEST = """CASE WHEN assets_at IS NULL THEN next_at
     WHEN next_at IS NULL OR assets_at < next_at THEN assets_at ELSE next_at END"""
"""Of a row of ``schedules``: what is due first, its next time or its assets."""


def standing(row: Row[Any], *, with_upcoming: bool = False) -> ScheduleStanding:
    """Return the message for a row of ``schedules``; ``with_upcoming``: also the times after the next one."""
    if row.schedule is None:
        schedule, later = None, []
    else:
        schedule = Schedule.model_validate_json(row.schedule)
        later = _upcoming(schedule, row) if with_upcoming else []
    return ScheduleStanding(
        text="" if schedule is None else times.in_words(schedule),
        next=instant_or_none(row.next_at),
        last=instant_or_none(row.last_at),
        waits=_waits(row),
        paused_at=instant_or_none(row.paused_at),
        paused_by=row.paused_by,
        paused_note=row.paused_note,
        upcoming=[instant(each) for each in later],
    )


def _upcoming(schedule: Schedule, row: Row[Any]) -> list[float]:
    if row.next_at is None or not schedule.goes_by_time:
        return []
    far = row.next_at + 50 * 366 * 86400
    return list(islice(times.times(schedule, after=row.next_at, until=far, anchor=row.anchor_at), UPCOMING))


def _waits(row: Row[Any]) -> str | None:
    if row.paused_at is None:
        waits: str | None = row.waits
        return waits
    note = f": {row.paused_note}" if row.paused_note else ""
    return f"paused by {row.paused_by}{note}"
