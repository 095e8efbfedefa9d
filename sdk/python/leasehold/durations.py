"""Durations as authors write them: seconds, ``"10m"``, ``"1h30m"``, or a ``timedelta``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def seconds(duration: float | str | timedelta) -> float:
    """Return a duration in seconds.

    Raises:
        ValueError: if it is negative, not finite, or text of another form.
    """
    if isinstance(duration, str):
        length = _parsed(duration)
    elif isinstance(duration, bool):
        raise ValueError(f"{duration!r} is not a duration: {_FORMS}")
    elif isinstance(duration, int | float):
        length = float(duration)
    elif hasattr(duration, "total_seconds"):  # a timedelta, without importing datetime to ask
        length = duration.total_seconds()
    else:
        raise ValueError(f"{duration!r} is not a duration: {_FORMS}")
    if not 0 <= length < float("inf"):
        raise ValueError(f"{duration!r} is not a duration from now on: {_FORMS}")
    return length


def _parsed(text: str) -> float:
    import re

    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", text)
    if not parts or re.fullmatch(r"\s*(\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*)+", text) is None:
        raise ValueError(f"{text!r} is not a duration: {_FORMS}")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


_FORMS = 'write seconds as a number, text like "30s", "10m", "1h30m" or "2d", or a timedelta'
