"""XComs: named values that a task leaves for others, beside what it returns."""

from __future__ import annotations

from leasehold.runtime.host import host_or_outside
from leasehold.runtime.values import decode, encode
from leasehold.runtime.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any


def push(key: str, value: object) -> None:
    """Leave ``value`` under ``key``. The last value of a key counts, and only if the task succeeds.

    In a script run by hand it stays in memory, where ``pull`` finds it whatever task it names.

    Raises:
        ValueNotSupportedError: if the value can't travel.
        RefusedError: if it is too large.
    """
    host_or_outside().write("PUT", f"/v1/xcoms/{quote(key)}", {"value": encode(value, f"xcom {key!r}")})


def pull(
    task: str, key: str = "return_value", *, map_index: int = -1, wait: float | str | timedelta | None = None
) -> Any:
    """Return what the upstream ``task`` of this run returned, or pushed under ``key``.

    Prefer to take it as an argument: then ``leasehold check`` sees the dependency, and the value comes with the lease.

    Raises:
        NotFoundError: if the task pushed nothing under that key.
        UnavailableError: if the API stayed out of reach for longer than ``wait`` (default: two minutes).
    """
    path = f"/v1/xcoms/{quote(key)}?task={quote(task)}&map_index={map_index}"
    return decode(host_or_outside().read(path, wait).get("value"))
