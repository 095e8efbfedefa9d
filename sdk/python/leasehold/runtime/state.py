"""What a task keeps across its tries, reschedules and deferrals: JSON values of its own, gone with its run.

Writes never need the API. In a script run by hand the values live as long as the process.
"""

from __future__ import annotations

from leasehold.errors import NotFoundError
from leasehold.runtime.host import host_or_outside
from leasehold.runtime.values import decode, encode
from leasehold.runtime.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any


def get(key: str, default: Any = None, *, wait: float | str | timedelta | None = None) -> Any:
    """Return what was kept under ``key``, or ``default``.

    Args:
        key: The key.
        default: What to return when nothing is kept there, or its time is over.
        wait: How long to wait while the API is out of reach (default: two minutes). For what this attempt wrote itself
            there is no need of it.

    Raises:
        UnavailableError: if the API stayed out of reach for longer than ``wait``.
    """
    try:
        return decode(host_or_outside().read(f"/v1/state/{quote(key)}", wait).get("value"))
    except NotFoundError:
        return default


def set(key: str, value: object, *, expires_after: float | str | timedelta | None = None) -> None:  # noqa: A001
    """Keep ``value`` under ``key``, for ``expires_after`` at most.

    Raises:
        ValueNotSupportedError: if the value can't be kept.
        RefusedError: if it has more than 64 KiB, or there are 1,000 keys already.
    """
    from leasehold.durations import seconds

    expires_after_s = None if expires_after is None else seconds(expires_after)
    entry = {"value": encode(value, f"state {key!r}"), "expires_after_s": expires_after_s}
    host_or_outside().write("PUT", f"/v1/state/{quote(key)}", entry)


def delete(key: str) -> None:
    """Let go of ``key``; nothing happens when nothing is kept there."""
    host_or_outside().write("DELETE", f"/v1/state/{quote(key)}")


def clear() -> None:
    """Let go of everything."""
    host_or_outside().write("DELETE", "/v1/state")


def keys(prefix: str = "", *, wait: float | str | timedelta | None = None) -> list[str]:
    """Return the keys that begin with ``prefix``, in order.

    Raises:
        UnavailableError: if the API stayed out of reach for longer than ``wait``.
    """
    found = host_or_outside().read(f"/v1/state?prefix={quote(prefix)}", wait).get("keys")
    return [str(key) for key in found] if isinstance(found, list) else []
