"""Values that travel with a tag, as people read them: a date is its text, a file its name and size."""

from __future__ import annotations

from leasehold.cli.amounts import show_size
from leasehold_protocol.v1.message import Json

_AS_THEY_ARE = {"date", "datetime", "time", "decimal", "uuid", "path", "bytes"}
_HOLDING_OTHERS = {"tuple", "set", "frozenset"}


def readable(value: Json) -> Json:
    """Return ``value`` without tags; what has an unknown tag stays as it came."""
    match value:
        case {"$type": "file", "value": {"name": str(name), "size": int(size)}}:
            return f"{name} ({show_size(size)})"
        case {"$type": "timedelta", "value": str(seconds)}:
            return f"{seconds} s"
        case {"$type": str(tag), "value": str(text)} if tag in _AS_THEY_ARE:
            return text
        case {"$type": str(tag), "value": list(items)} if tag in _HOLDING_OTHERS:
            return [readable(item) for item in items]
        case {"$type": "dict", "value": dict(items)} | dict(items):
            return {key: readable(item) for key, item in items.items()}
        case list(items):
            return [readable(item) for item in items]
        case _:
            return value
