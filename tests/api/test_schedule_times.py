"""The times of a schedule are what the documents say, on days when clocks are changed as on others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leasehold_api.errors import InvalidRequestError
from leasehold_api.schedules.times import check, interval, last_time, next_time, times
from leasehold_protocol.v1.schedules import Schedule

BEGIN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
END = datetime(2028, 1, 1, tzinfo=UTC).timestamp()
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


def field(lowest: int, highest: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """A cron field, and the numbers that it stands for."""
    numbers = st.integers(lowest, highest)
    every = st.sampled_from([1, 2, 5, 15]).map(
        lambda step: ("*" if step == 1 else f"*/{step}", frozenset(range(lowest, highest + 1, step)))
    )
    chosen = st.frozensets(numbers, min_size=1, max_size=3).map(lambda all_: (",".join(map(str, sorted(all_))), all_))
    spans = st.tuples(numbers, numbers).map(
        lambda ends: (f"{min(ends)}-{max(ends)}", frozenset(range(min(ends), max(ends) + 1)))
    )
    return st.one_of(every, chosen, spans)


def by_definition(
    minute: tuple[str, frozenset[int]], hour: tuple[str, frozenset[int]], weekday: tuple[str, frozenset[int]], zone: str
) -> Iterator[float]:
    """Go through all minutes of two years."""
    tz = ZoneInfo(zone)
    moves_along = minute[0].startswith("*") or hour[0].startswith("*")
    seen: set[float] = set()
    if moves_along:
        at = BEGIN
        while at < END:
            wall = datetime.fromtimestamp(at, tz)
            if wall.minute in minute[1] and wall.hour in hour[1] and wall.isoweekday() % 7 in weekday[1]:
                yield at
            at += 60
        return
    day = datetime.fromtimestamp(BEGIN, tz).replace(hour=0, minute=0, second=0, tzinfo=None) - timedelta(days=1)
    while (midnight := day.replace(tzinfo=tz)).timestamp() < END:
        day += timedelta(days=1)
        if midnight.isoweekday() % 7 not in weekday[1]:
            continue
        for of_day in sorted(60 * each + other for each in hour[1] for other in minute[1]):
            wall = midnight.replace(hour=of_day // 60, minute=of_day % 60)
            while wall.astimezone(UTC).astimezone(tz).replace(tzinfo=None) != wall.replace(tzinfo=None):
                wall += timedelta(minutes=1)  # it does not exist
            at = wall.timestamp()
            if BEGIN < at < END and at not in seen:
                seen.add(at)
                yield at


@settings(max_examples=12, deadline=None)
@given(minute=field(0, 59), hour=field(0, 23), weekday=field(0, 6), zone=st.sampled_from(ZONES))
def test_cron_times_are_those_of_the_definition_over_two_years(
    minute: tuple[str, frozenset[int]], hour: tuple[str, frozenset[int]], weekday: tuple[str, frozenset[int]], zone: str
) -> None:
    schedule = Schedule(cron=[f"{minute[0]} {hour[0]} * * {weekday[0]}"], timezone=zone)

    found = list(times(schedule, after=BEGIN, until=END - 1, anchor=BEGIN))

    assert found == [at for at in by_definition(minute, hour, weekday, zone) if at > BEGIN]
