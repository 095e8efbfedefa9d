"""Sizes and durations as a policy writes them."""

from __future__ import annotations

import re

from leasehold.durations import seconds

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BINARY = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(?:\.[0-9]{1,6})?)\s*(?P<unit>[kmgt]?)(?P<binary>i?)b?", re.IGNORECASE)


def size(value: object) -> object:
    """Return a size in bytes; what is no text or number is left for the model to refuse.

    Raises:
        ValueError: it is text of another form.
    """
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if found is None or (found["binary"] and not found["unit"]):
        raise ValueError(f'{value!r} is not a size: write bytes as a number, or text like "64MiB" or "2GB"')
    units = _BINARY if found["binary"] else _UNITS
    return int(float(found["number"]) * units[found["unit"].lower()])


def duration(value: object) -> object:
    """Return a duration in seconds.

    Raises:
        ValueError: it is text of another form.
    """
    if not isinstance(value, str):
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    try:
        return seconds(value)
    except ValueError:
        raise ValueError(
            f'{value!r} is not a duration: write seconds as a number, or text like "10m" or "1h30m"'
        ) from None


def shown(length_s: float) -> str:
    """Return a duration for people."""
    left, words = round(length_s), ""
    for unit, letter in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        if left >= unit:
            words += f"{left // unit}{letter}"
            left %= unit
    return words or f"{length_s:g}s"
