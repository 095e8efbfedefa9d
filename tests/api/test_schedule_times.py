"""The times of a schedule are what the documents say, on days when clocks are changed as on others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from leasehold_api.errors import InvalidRequestError
from leasehold_api.schedules.times import check, interval, last_time, next_time, times
from leasehold_protocol.v1.schedules import Schedule

BEGIN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
END = datetime(2028, 1, 1, tzinfo=UTC).timestamp()
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


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
            at += 900
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


# Every fixed time of the nights in which clocks change, and what passes through them.
MINUTES = st.sampled_from(["0", "30", "15,45"]).map(lambda text: (text, frozenset(map(int, text.split(",")))))
HOURS = st.frozensets(st.integers(0, 4), min_size=1, max_size=2).map(lambda all_: (",".join(map(str, all_)), all_))
MOVING = st.just(("*/30", frozenset({0, 30})))
WEEKDAYS = st.sampled_from([("*", frozenset(range(7))), ("0", frozenset({0})), ("6,0", frozenset({6, 0}))])


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@example(minute=("*/30", frozenset({0, 30})), hour=("0,2", frozenset({0, 2})), weekday=("*", frozenset(range(7))))
@given(minute=st.one_of(MINUTES, MOVING), hour=HOURS, weekday=WEEKDAYS)
def test_cron_times_are_those_of_the_definition_over_two_years(
    minute: tuple[str, frozenset[int]], hour: tuple[str, frozenset[int]], weekday: tuple[str, frozenset[int]], zone: str
) -> None:
    schedule = Schedule(cron=[f"{minute[0]} {hour[0]} * * {weekday[0]}"], timezone=zone)

    found = list(times(schedule, after=BEGIN, until=END - 1, anchor=BEGIN))

    assert found == [at for at in by_definition(minute, hour, weekday, zone) if at > BEGIN]


def times_in(zone: str, cron: str, first: str, last: str) -> list[str]:
    tz = ZoneInfo(zone)
    begin, end = (datetime.fromisoformat(each).replace(tzinfo=tz).timestamp() for each in (first, last))
    found = times(Schedule(cron=[cron], timezone=zone), after=begin, until=end, anchor=0)
    return [datetime.fromtimestamp(at, tz).strftime("%d %H:%M%z") for at in found]


@pytest.mark.parametrize(
    ("cron", "first", "last", "expected"),
    [
        ("30 2 * * *", "2026-03-28T12:00", "2026-03-30T12:00", ["29 03:00+0200", "30 02:30+0200"]),
        ("30 2 * * *", "2026-10-24T12:00", "2026-10-26T12:00", ["25 02:30+0200", "26 02:30+0100"]),
        ("0 * * * *", "2026-03-29T00:30", "2026-03-29T04:30", ["29 01:00+0100", "29 03:00+0200", "29 04:00+0200"]),
        ("0 * * * *", "2026-10-25T01:30", "2026-10-25T03:30", ["25 02:00+0200", "25 02:00+0100", "25 03:00+0100"]),
        ("0 6 13 * 5", "2026-03-01T00:00", "2026-03-14T00:00", ["06 06:00+0100", "13 06:00+0100"]),
    ],
)
def test_the_table_of_the_howto(cron: str, first: str, last: str, expected: list[str]) -> None:
    assert times_in("Europe/Berlin", cron, first, last) == expected


def test_an_interval_is_elapsed_time_across_a_change_of_clocks() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    schedule = Schedule(every_s=86400, start=start.isoformat(), timezone="Europe/Berlin")

    second = next_time(schedule, after=start.timestamp(), anchor=0)

    assert second == start.timestamp() + 86400  # 13:00 by the wall clock
    assert interval(schedule, at=second) == (start.timestamp(), second)


@given(moment=st.floats(BEGIN, END), cron=st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 0 29 2 *", "0 6 * * MON"]))
@settings(max_examples=25, deadline=None)
def test_the_last_time_is_the_one_before_the_next(moment: float, cron: str) -> None:
    schedule = Schedule(cron=[cron], timezone="Europe/Berlin")

    last = last_time(schedule, until=moment, anchor=0)

    assert last is not None
    assert last <= moment
    assert next_time(schedule, after=last, anchor=0) == next_time(schedule, after=moment, anchor=0)


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ({"cron": ["0 25 * * *"]}, "hour"),
        ({"cron": ["0 6 * *"]}, "not five fields"),
        ({"cron": ["0 0 0 6 * *"]}, "not five fields"),
        ({"cron": ["@daily"], "timezone": "Europe/Berlinn"}, "no time zone 'Europe/Berlinn'"),
        ({"cron": ["@daily"], "timezone": "../secret"}, "no time zone"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        check(Schedule.model_validate(schedule))
