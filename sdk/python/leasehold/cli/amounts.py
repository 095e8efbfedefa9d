"""Times, durations and sizes, as people write and read them."""

from __future__ import annotations

from datetime import datetime, timedelta

from leasehold.cli.errors import WrongInputError
from leasehold.durations import seconds


def parse_duration(text: str) -> timedelta:
    """Return the duration that ``30s``, ``15m``, ``1h30m`` or ``7d`` stands for.

    Raises:
        WrongInputError: if it stands for none, or for no time at all.
    """
    try:
        duration = timedelta(seconds=seconds(text))
    except (ValueError, OverflowError) as error:
        raise WrongInputError(f"{text!r} is not a duration.", "Write it like 30s, 15m, 1h30m or 7d.") from error
    if not duration:
        raise WrongInputError("A duration of nothing makes no sense here.")
    return duration


def show_duration(duration: timedelta) -> str:
    """Return a duration in its two largest units: ``230 ms``, ``4.2 s``, ``3 m 12 s``, ``5 h 02 m``, ``2 d 3 h``."""
    length = max(duration.total_seconds(), 0.0)
    if length < 1:
        return f"{length * 1000:.0f} ms"
    if length < 60:
        return f"{length:.1f} s"
    minutes, whole = divmod(round(length), 60)
    if minutes < 60:
        return f"{minutes} m {whole:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} m"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def show_between(start: datetime | None, end: datetime | None, *, now: datetime) -> str:
    """Return how long something took, or has taken so far; nothing when it has not begun."""
    return "" if start is None else show_duration((end or now) - start)


def show_when(instant: datetime | None, *, now: datetime) -> str:
    """Return a moment as seen from now: ``12.0 s ago``, ``in 5 m 00 s``, or the date when it is far away."""
    if instant is None:
        return ""
    distance = instant - now
    if abs(distance) > timedelta(days=7):
        return instant.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"in {show_duration(distance)}" if distance > timedelta() else f"{show_duration(-distance)} ago"


def show_size(size: int) -> str:
    """Return a number of bytes in the unit that fits: ``512 B``, ``12.3 KiB``, ``4.0 MiB``."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} TiB"


def show_count(number: int, thing: str) -> str:
    """Return how many there are: ``1 task``, ``2 tasks``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def show_number(number: float) -> str:
    """Return a measured number without needless digits."""
    return f"{number:.0f}" if number == int(number) and abs(number) < 1e15 else f"{number:.4g}"
