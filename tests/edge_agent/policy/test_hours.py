"""Working hours follow the clock on the wall, on the two odd days of a year too."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from leasehold_agent.policy.hours import HoursNow, WindowRule, hours_at

VIENNA = ZoneInfo("Europe/Vienna")
OFFICE = WindowRule(start="0 6 * * mon-fri", duration_s=12 * 3600)
NIGHT = WindowRule(start="0 22 * * *", duration_s=8 * 3600)


def at(text: str) -> datetime:
    """Return a moment, written with its offset."""
    return datetime.fromisoformat(text)


def look(*windows: WindowRule, now: str) -> tuple[bool, str]:
    found = hours_at(windows, VIENNA, at(now))
    return found.is_open, found.until.astimezone(VIENNA).strftime("%d %H:%M %Z")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-11-23T05:59:59+01:00", (False, "23 06:00 CET")),
        ("2026-11-23T06:00:00+01:00", (True, "23 18:00 CET")),
        ("2026-11-23T17:59:59+01:00", (True, "23 18:00 CET")),
        ("2026-11-23T18:00:00+01:00", (False, "24 06:00 CET")),
        ("2026-11-27T18:00:00+01:00", (False, "30 06:00 CET")),
    ],
)
def test_a_window_is_open_from_its_first_moment_to_just_before_its_last(now: str, expected: tuple[bool, str]) -> None:
    assert look(OFFICE, now=now) == expected


def test_in_the_night_of_seven_hours_the_window_ends_when_the_wall_says_so() -> None:
    assert look(NIGHT, now="2026-03-28T22:00+01:00") == (True, "29 06:00 CEST")
    assert look(NIGHT, now="2026-03-29T06:00+02:00") == (False, "29 22:00 CEST")


def test_in_the_night_of_nine_hours_too() -> None:
    assert look(NIGHT, now="2026-10-24T22:00+02:00") == (True, "25 06:00 CET")
    assert look(NIGHT, now="2026-10-25T05:59+01:00") == (True, "25 06:00 CET")
    assert look(NIGHT, now="2026-10-25T06:00+01:00") == (False, "25 22:00 CET")


def test_a_window_that_would_begin_in_the_hour_left_out_begins_at_the_change() -> None:
    window = WindowRule(start="30 2 * * *", duration_s=3600)

    assert look(window, now="2026-03-29T01:59:59+01:00") == (False, "29 03:00 CEST")
    assert look(window, now="2026-03-29T03:00+02:00") == (True, "29 03:30 CEST")
    assert look(window, now="2026-03-29T03:30+02:00") == (False, "30 02:30 CEST")


def test_a_window_that_lies_in_the_hour_left_out_does_not_come_that_day() -> None:
    window = WindowRule(start="0 2 * * *", duration_s=1800)

    assert look(window, now="2026-03-29T01:00+01:00") == (False, "30 02:00 CEST")


def test_a_window_in_the_hour_that_comes_twice_lasts_from_its_first_to_its_second() -> None:
    window = WindowRule(start="15 2 * * *", duration_s=1800)

    assert look(window, now="2026-10-25T02:15+02:00") == (True, "25 02:45 CET")
    assert look(window, now="2026-10-25T02:20+01:00") == (True, "25 02:45 CET")
    assert look(window, now="2026-10-25T02:45+01:00") == (False, "26 02:15 CET")


def test_windows_that_meet_are_one() -> None:
    early, late = WindowRule(start="0 6 * * *", duration_s=4 * 3600), WindowRule(start="0 9 * * *", duration_s=9 * 3600)

    assert look(early, late, now="2026-11-23T07:00+01:00") == (True, "23 18:00 CET")


def test_around_the_clock_is_always_open() -> None:
    always = WindowRule(start="0 0 * * *", duration_s=86400)

    found: HoursNow = hours_at([always], VIENNA, datetime(2026, 11, 23, tzinfo=UTC))

    assert found.is_open
