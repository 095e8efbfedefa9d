"""Single values that JSON lacks, as text and back: dates, times, decimals, bytes, paths, UUIDs.

A value is recognised by the names of its classes, and modules are imported when a value needs them: every import at
the top of this file would be paid at the start of every task.
"""

from __future__ import annotations

from _collections_abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    import decimal
    import pathlib
    import uuid
    from typing import Any


_MOST_BYTES = 48 * 1024 * 1024 - 4096
"""As base64 they fill the longest value that is taken, 64 MiB."""


def to_text(value: object) -> tuple[str, str] | None:
    """Return (tag, text) of a value that is one of the types here, or None."""
    for ancestor in type(value).__mro__[:-1]:
        found = _TO_TEXT.get((ancestor.__module__, ancestor.__qualname__))
        if found:
            tag, write = found
            return tag, write(value)
    return None


def _isoformat(value: dt.date | dt.time) -> str:
    return value.isoformat()


def _write_timedelta(value: dt.timedelta) -> str:
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    whole, part = divmod(abs(microseconds), 1_000_000)
    fraction = f".{part:06d}".rstrip("0").rstrip(".")
    return f"{'-' if microseconds < 0 else ''}{whole}{fraction}"


def _write_bytes(value: bytes | bytearray) -> str:
    from binascii import b2a_base64

    if len(value) > _MOST_BYTES:
        raise ValueError(f"has {len(value)} bytes, too many for a value: write them to a file and push it, File(path)")
    return b2a_base64(value, newline=False).decode()


def _read_datetime(text: str) -> dt.datetime:
    from datetime import datetime

    return datetime.fromisoformat(text)


def _read_date(text: str) -> dt.date:
    from datetime import date

    return date.fromisoformat(text)


def _read_time(text: str) -> dt.time:
    from datetime import time

    return time.fromisoformat(text)


def _read_timedelta(text: str) -> dt.timedelta:
    from datetime import timedelta

    whole, _, fraction = text.removeprefix("-").partition(".")
    microseconds = int(whole) * 1_000_000 + int(fraction[:6].ljust(6, "0"))
    return timedelta(microseconds=-microseconds if text.startswith("-") else microseconds)


def _read_decimal(text: str) -> decimal.Decimal:
    from decimal import Decimal

    return Decimal(text)


def _read_uuid(text: str) -> uuid.UUID:
    from uuid import UUID

    return UUID(text)


def _read_path(text: str) -> pathlib.PurePath:
    from pathlib import Path

    return Path(text)


def _read_bytes(text: str) -> bytes:
    from binascii import a2b_base64

    return a2b_base64(text, strict_mode=True)


_TO_TEXT: dict[tuple[str, str], tuple[str, Callable[[Any], str]]] = {
    ("datetime", "datetime"): ("datetime", _isoformat),  # found before date: a datetime's own class comes first
    ("datetime", "date"): ("date", _isoformat),
    ("datetime", "time"): ("time", _isoformat),
    ("datetime", "timedelta"): ("timedelta", _write_timedelta),
    ("decimal", "Decimal"): ("decimal", str),
    ("uuid", "UUID"): ("uuid", str),
    ("pathlib", "PurePath"): ("path", str),
    ("builtins", "bytes"): ("bytes", _write_bytes),
    ("builtins", "bytearray"): ("bytes", _write_bytes),
}

FROM_TEXT: dict[str, Callable[[str], object]] = {
    "datetime": _read_datetime,
    "date": _read_date,
    "time": _read_time,
    "timedelta": _read_timedelta,
    "decimal": _read_decimal,
    "uuid": _read_uuid,
    "path": _read_path,
    "bytes": _read_bytes,
}
"""Tag → reader of its text. Readers raise ValueError (Decimal: ArithmeticError) for text that does not fit."""
