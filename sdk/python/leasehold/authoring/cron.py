"""Cron expressions as authors write them: what is wrong with one, and where in it; about how often it comes."""

from __future__ import annotations

import re

MACROS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@quarterly", "@yearly", "@annually")
_PER_DAY_OF_MACRO = (24.0, 1.0, 1.0, 1 / 7, 12 / 365, 4 / 365, 1 / 365, 1 / 365)

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}

EXAMPLE = 'Five fields: minute hour day month weekday, like "30 6 * * MON-FRI" or "*/15 * * * *".'


class CronError(ValueError):
    """An expression means nothing. The text names the field, and the character where it begins, from 1."""


def times_per_day(expression: str) -> float:
    """Check an expression, and return about how often a day it comes.

    Raises:
        CronError: if it is none.
    """
    if expression.startswith("@"):
        return _of_macro(expression)
    words = [(found.start() + 1, found.group()) for found in re.finditer(r"\S+", expression)]
    if len(words) != len(_FIELDS):
        raise CronError(f"it has {len(words)} fields, and five are needed")
    minutes, hours, days, months, weekdays = (
        _numbers(text, place, *field) for (place, text), field in zip(words, _FIELDS, strict=True)
    )
    (at, day_text), (_, weekday_text) = words[2], words[4]
    both = day_text.startswith("*") or weekday_text.startswith("*")
    if both and days and min(days) > max(_LONGEST_MONTH.get(month, 31) for month in months):
        raise CronError(f"day (character {at}): none of these months has a day {min(days)}")
    by_day, by_weekday = len(days or {1}) / 30.4, min(len({day % 7 for day in weekdays or {1}}) / 7, 1.0)
    share = by_day * by_weekday if both else min(by_day + by_weekday, 1.0)
    return len(minutes) * len(hours) * min(share, 1.0) * len(months) / 12


def _of_macro(expression: str) -> float:
    if expression not in MACROS:
        from difflib import get_close_matches

        like = get_close_matches(expression, (*MACROS, "@once", "@continuous"), n=1)
        hint = f"did you mean {like[0]!r}?" if like else f"there are {', '.join(MACROS)}, @once and @continuous"
        raise CronError(f"there is no {expression!r}: {hint}")
    return _PER_DAY_OF_MACRO[MACROS.index(expression)]


def _numbers(text: str, place: int, field: str, lowest: int, highest: int) -> set[int]:
    """Return the numbers that a field stands for; empty for those that depend on the month."""
    found: set[int] = set()
    for part in text.split(","):
        try:
            found |= _part(part.upper(), field, lowest, highest)
        except ValueError as problem:
            raise CronError(f"{field} (character {place}): {problem}") from None
        place += len(part) + 1
    return found


def _part(part: str, field: str, lowest: int, highest: int) -> set[int]:
    base, slash, step_text = part.partition("/")
    if slash and not (step_text.isascii() and step_text.isdigit() and int(step_text) > 0):
        raise ValueError(f"the step after / is a number from 1 on, not {step_text!r}")
    if field == "day" and base in ("L", "LW"):
        return set()
    if field == "weekday" and not slash and (special := _special_weekday(base)) is not None:
        return special
    step = int(step_text or 1)
    if base == "*":
        return set(range(lowest, highest + 1, step)) - ({7} if field == "weekday" and step == 1 else set())
    first_text, dash, last_text = base.partition("-")
    first = _number(first_text, field, lowest, highest)
    if not dash:
        return set(range(first, highest + 1, step)) if slash else {first}
    last = _number(last_text, field, lowest, highest)
    if last < first:
        raise ValueError(f"{base} goes backwards: write two parts with a comma in between")
    return set(range(first, last + 1, step))


def _special_weekday(base: str) -> set[int] | None:
    """``5L``, the last Friday; ``MON#1``, the first Monday."""
    if base.endswith("L") and base[:-1].isascii() and base[:-1].isdigit():
        return {_number(base[:-1], "weekday", 0, 7)}
    day, sharp, which = base.partition("#")
    if not sharp:
        return None
    if which not in ("1", "2", "3", "4", "5"):
        raise ValueError(f"after # comes a number from 1 to 5, not {which!r}")
    return {_number(day, "weekday", 0, 7)}


def _number(text: str, field: str, lowest: int, highest: int) -> int:
    names = _MONTHS if field == "month" else _DAYS if field == "weekday" else ()
    if text in names:
        return names.index(text) + (field == "month")
    if not (text.isascii() and text.isdigit()):
        named = f", or {names[0]} to {names[-1]}" if names else ""
        raise ValueError(f"{text!r} is no number from {lowest} to {highest}{named}")
    if not lowest <= int(text) <= highest:
        raise ValueError(f"{text} is not between {lowest} and {highest}")
    return int(text)
