"""Working hours: cron windows on the clock on the wall, in one zone, right on days on which clocks change. Pure.

A window begins when its cron expression says and ends ``duration`` later on the same clock: 22:00 and 8 h end at 06:00
in every night, the one of 7 and the one of 9 hours too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

_FIELDS = "minute, hour, day of month, month, day of week"
_A_DAY = timedelta(days=1)
_MOST_JOINED = 8
"""Windows that overlap are followed so far; by then the answer is looked for anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """One window: cron expression and length."""

    start: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HoursNow:
    """Whether work may begin, and until when that stays so."""

    is_open: bool
    until: datetime


def check_start(text: str) -> str:
    """Return a cron expression.

    Raises:
        ValueError: it is none, or no time ever fits.
    """
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"{text!r} has {len(fields)} fields and needs five: {_FIELDS}")
    if not fields[0].isdigit():
        raise ValueError(f"{text!r}: the minute is one number, so that a window begins at most once an hour")
    if re.search(r"\d", fields[4]):
        raise ValueError(f"{text!r}: write weekdays by name, like mon-fri; programs disagree on which of them is 1")
    try:
        trigger = _trigger(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{text!r} is no cron expression ({_FIELDS}): {error}") from None
    if _next(trigger, datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise ValueError(f"{text!r} never comes: there is no such day")
    return text


def hours_at(windows: Sequence[WindowRule], zone: ZoneInfo, now: datetime) -> HoursNow:
    """Return how things stand at ``now``, and when that ends."""
    ends = now
    for _ in range(_MOST_JOINED):
        later = max((end for begin, end in _around(windows, zone, ends) if begin <= ends < end), default=None)
        if later is None:
            break
        ends = later
    if ends > now:
        return HoursNow(is_open=True, until=ends)
    begins = [begin for window in windows for begin in _beginnings(window, zone, now)]
    return HoursNow(is_open=False, until=min(begins, default=now + 366 * _A_DAY))


def _around(windows: Sequence[WindowRule], zone: ZoneInfo, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the windows that may hold ``moment``."""
    wall = moment.astimezone(zone).replace(tzinfo=UTC)
    for window in windows:
        length = timedelta(seconds=window.duration_s)
        trigger = _trigger(window.start)
        begin = _next(trigger, wall - length - _A_DAY)
        while begin is not None and begin <= wall + _A_DAY:
            yield _instant(begin, zone, fold=0), _instant(begin + length, zone, fold=1)
            begin = _next(trigger, begin + timedelta(seconds=1))


def _beginnings(window: WindowRule, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    """Yield the next beginning after ``now`` of a window that lasts: one inside the hour that is left out does not."""
    trigger, length = _trigger(window.start), timedelta(seconds=window.duration_s)
    begin = _next(trigger, now.astimezone(zone).replace(tzinfo=UTC) - _A_DAY)
    while begin is not None:
        first, last = _instant(begin, zone, fold=0), _instant(begin + length, zone, fold=1)
        if now < first < last:
            yield first
            return
        begin = _next(trigger, begin + timedelta(seconds=1))


@lru_cache(maxsize=256)
def _trigger(text: str) -> CronTrigger:
    """Return the expression as a trigger on the bare wall clock: UTC, which has no days of other lengths."""
    from apscheduler.triggers.cron import CronTrigger

    return CronTrigger.from_crontab(text, timezone=UTC)


def _next(trigger: CronTrigger, wall: datetime) -> datetime | None:
    found: datetime | None = trigger.get_next_fire_time(None, wall)
    return found


def _instant(wall: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    """Return when the wall clock shows ``wall``: of two such moments the first or (``fold`` 1) the second.

    A time that the clock leaves out stands for the moment of the change.
    """
    local = wall.replace(tzinfo=zone, fold=fold)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    offset = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
