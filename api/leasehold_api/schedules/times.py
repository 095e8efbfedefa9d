"""The times of a schedule. Pure.

A cron expression means what Debian's cron does by it, cronsim's reading. Where minute and hour are fixed, a wall-clock
time that comes twice counts once, the first time; one that does not exist counts at the first moment after the gap.
Where either begins with ``*``, it is matched against the wall clock as time passes: nothing is made up for, and an
hour that comes twice is matched twice. An interval is elapsed time, whatever clocks show.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from leasehold_api.errors import InvalidRequestError
from leasehold_api.schedules.wall_clock import next_on_wall_clock
from leasehold_protocol.v1.schedules import Schedule

_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LOOK_BACK = [timedelta(hours=1), timedelta(days=1), timedelta(days=32), timedelta(days=370), timedelta(days=9 * 366)]
_FIELDS = 5


def check(schedule: Schedule) -> None:
    """Refuse a schedule that can't be worked out.

    Raises:
        InvalidRequestError: naming what is wrong with it.
    """
    try:
        zone = ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidRequestError(
            f"manifest.schedule: there is no time zone {schedule.timezone!r} here: use an IANA name like Europe/Berlin"
        ) from None
    for expression in schedule.cron:
        fields = _MACROS.get(expression, expression)
        if len(fields.split()) != _FIELDS:
            raise InvalidRequestError(
                f"manifest.schedule: {expression!r} has not five fields: minute hour day month weekday"
            )
        try:
            CronSim(fields, datetime.now(zone))
        except CronSimError as problem:
            raise InvalidRequestError(f"manifest.schedule: {expression!r}: {problem}") from None


def next_time(schedule: Schedule, *, after: float, anchor: float) -> float | None:
    """Return the first time after a moment; none when no more come, or when it goes by something else than time.

    Args:
        schedule: The schedule; it was checked.
        after: Seconds since 1970; the answer is later.
        anchor: What intervals are counted from where the schedule has no start.
    """
    start = _moment(schedule.start)
    if start is not None and after < start:
        after = start - 0.001  # a float next to it would be rounded to the same microsecond
    found = _next(schedule, after, anchor if start is None else start)
    end = _moment(schedule.end)
    return None if found is None or (end is not None and found > end) else found


def first_time(schedule: Schedule, *, now: float, last: float | None) -> float | None:
    """Return the first time of a schedule that was just deployed, or changed.

    Args:
        schedule: The schedule; it was checked.
        now: Intervals without a start are counted from here.
        last: The last time, by an earlier form of it.
    """
    start = _moment(schedule.start)
    if schedule.once:
        return None if last is not None else max(now, start or now)
    if schedule.catchup and start is not None:
        return next_time(schedule, after=start - 1 if last is None else last, anchor=now)
    return next_time(schedule, after=now, anchor=now)


def times(schedule: Schedule, *, after: float, until: float, anchor: float) -> Iterator[float]:
    """Yield the times after one moment, until another (included)."""
    found = next_time(schedule, after=after, anchor=anchor)
    while found is not None and found <= until:
        yield found
        found = next_time(schedule, after=found, anchor=anchor)


def last_time(schedule: Schedule, *, until: float, anchor: float) -> float | None:
    """Return the last time until a moment (included); none when there is none in the nine years before it."""
    for back in _LOOK_BACK:
        last = None
        for last in times(schedule, after=until - back.total_seconds(), until=until, anchor=anchor):
            if schedule.every_s is not None:
                start = _moment(schedule.start)
                first = max(last, anchor if start is None else start)
                return last + math.floor((until - first) / schedule.every_s) * schedule.every_s
        if last is not None:
            return last
    return None


def interval(schedule: Schedule, *, at: float) -> tuple[float, float]:
    """Return the data interval of the run for one time: from the time before it, until itself."""
    if schedule.every_s is not None:
        return at - schedule.every_s, at
    before = last_time(schedule.model_copy(update={"start": None}), until=math.nextafter(at, 0), anchor=at)
    return (at if before is None else before), at


def start_of(schedule: Schedule, anchor: float) -> float:
    """Return what intervals are counted from."""
    start = _moment(schedule.start)
    return anchor if start is None else start


def in_words(schedule: Schedule) -> str:
    """Return a schedule as people read it."""
    also = " or on assets" if schedule.goes_by_both else ""
    if schedule.cron:
        return f"{', '.join(schedule.cron)} ({schedule.timezone}){also}"
    if schedule.every_s is not None:
        return f"every {timedelta(seconds=schedule.every_s)}{also}"
    if schedule.once:
        return "@once"
    return "@continuous" if schedule.continuous else "on assets"


def _next(schedule: Schedule, after: float, anchor: float) -> float | None:
    if schedule.every_s is not None:
        return _next_interval(schedule.every_s, after, anchor)
    if schedule.once:
        return anchor if anchor > after else None
    if schedule.continuous:
        return max(after, anchor)
    zone = _zone(schedule.timezone)
    found = [
        at for cron in schedule.cron if (at := next_on_wall_clock(_MACROS.get(cron, cron), zone, after)) is not None
    ]
    return min(found, default=None)


def _next_interval(every_s: float, after: float, anchor: float) -> float:
    number = math.floor((after - anchor) / every_s) + 1
    at = anchor + number * every_s
    return at if at > after else anchor + (number + 1) * every_s


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _moment(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
