"""The next time of a cron expression on a wall clock that is changed now and then. Pure; cronsim does the arithmetic.

Expressions with fixed minutes and hours are cronsim's own affair. For the others cronsim moves along in whole hours,
and where clocks are changed by half an hour it misses times afterwards; so it is asked about each stretch without a
change by itself, on a clock that is never changed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

_WEEK = timedelta(days=7)
_SECOND = timedelta(seconds=1)


def next_on_wall_clock(expression: str, zone: ZoneInfo, after: float) -> float | None:
    """Return the first time after a moment, seconds since 1970; none in the fifty years after it."""
    minute, hour, *_ = expression.split()
    begin = datetime.fromtimestamp(after, UTC)
    if minute.startswith("*") or hour.startswith("*"):
        return _passing(expression, zone, begin)
    for found in CronSim(expression, begin.astimezone(zone)):
        # In the second of two hours that read the same, the first ones found are in the first of them: they are over.
        if (at := found.timestamp()) > after:
            return at
    return None


def _passing(expression: str, zone: ZoneInfo, begin: datetime) -> float | None:
    offset = _offset(zone, begin)
    while True:
        wall = next(CronSim(expression, (begin + offset).replace(tzinfo=None)), None)
        if wall is None:
            return None
        found = (wall - offset).replace(tzinfo=UTC)
        change = _first_change(zone, begin, found, offset)
        if change is None:
            return found.timestamp()
        # A time at the very moment of the change counts, so the next stretch begins a second before it.
        begin, offset = change - _SECOND, _offset(zone, change)


def _first_change(zone: ZoneInfo, begin: datetime, end: datetime, offset: timedelta) -> datetime | None:
    """Return the first whole second with another offset, until ``end``; none if there is none."""
    start = begin + _SECOND
    while start <= end:
        stop = min(start + _WEEK, end)
        if _offset(zone, stop) != offset:
            return _bisected(zone, start, stop, offset)
        if stop == end:
            return None
        start = stop
    return None


def _bisected(zone: ZoneInfo, before: datetime, after: datetime, offset: timedelta) -> datetime:
    first, last = int(before.timestamp()), int(after.timestamp())
    while first < last:
        middle = (first + last) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == offset:
            first = middle + 1
        else:
            last = middle
    return datetime.fromtimestamp(last, UTC)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
