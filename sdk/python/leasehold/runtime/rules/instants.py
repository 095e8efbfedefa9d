"""Points in time as the task protocol and the attempt directory write them: RFC 3339, UTC, microseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """Return the current time, like ``2026-11-22T06:00:00.000001Z``."""
    return _text(datetime.now(UTC))


def normalised(text: str) -> str:
    """Return an RFC 3339 instant in UTC.

    Raises:
        ValueError: if the text is no instant, or has no offset from UTC.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC: add Z or +02:00")
    return _text(instant.astimezone(UTC))


def _text(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
