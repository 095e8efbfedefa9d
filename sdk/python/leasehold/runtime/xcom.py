"""XComs: named values that a task leaves for others, beside what it returns."""

from __future__ import annotations

from leasehold.errors import NotFoundError
from leasehold.runtime.host import host_or_outside
from leasehold.runtime.values import decode, encode
from leasehold.runtime.wire import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import Any

    from leasehold.runtime.pulled import Pulled

_NOTHING = object()
RESULT_KEY = "return_value"


def push(key: str, value: object) -> None:
    """Leave ``value`` under ``key``. The last value of a key counts, and only if the task succeeds.

    In a script run by hand it stays in memory, where ``pull`` finds it whatever task it names.

    Raises:
        ValueNotSupportedError: if the value can't travel.
        RefusedError: if it is too large.
    """
    host_or_outside().write("PUT", f"/v1/xcoms/{quote(key)}", {"value": encode(value, f"xcom {key!r}")})


def delete(key: str) -> None:
    """Take back what this task left under ``key``.

    Raises:
        NotFoundError: if it left nothing there.
    """
    host_or_outside().write("DELETE", f"/v1/xcoms/{quote(key)}")


def pull(
    task: str,
    key: str = RESULT_KEY,
    *,
    map_index: int = -1,
    run: str | None = None,
    include_prior: bool = False,
    default: object = _NOTHING,
    into: Any = None,
    wait: float | str | timedelta | None = None,
) -> Any:
    """Return what the upstream ``task`` of this run returned, or pushed under ``key``.

    Prefer to take it as an argument: then ``leasehold check`` sees the dependency, and the value comes with the lease.

    Args:
        task: The task. Of this run only what this task waits for; of other runs any task of the DAG that succeeded.
        key: What it pushed under; left out: what it returned.
        map_index: Which instance of a mapped task.
        run: Another run of the same DAG, by its id; ``"previous"``: the one before this.
        include_prior: Take the newest value that this run or an earlier one of the DAG has.
        default: What to return when there is none.
        into: The shape that is wanted: a dataclass, an enum, ``list[Row]``, …
        wait: How long to wait while the API is out of reach (default: two minutes).

    Raises:
        NotFoundError: if the task pushed nothing under that key and there is no ``default``.
        UndeclaredError: if this task does not wait for that one, or the run is another DAG's.
        ValueError: if the value does not fit ``into``.
        UnavailableError: if the API stayed out of reach for longer than ``wait``.
    """
    query = f"task={quote(task)}&map_index={map_index}"
    query += f"&run={quote(run)}" if run is not None else ""
    query += "&include_prior=true" if include_prior else ""
    try:
        answer = host_or_outside().read(f"/v1/xcoms/{quote(key)}?{query}", wait)
    except NotFoundError:
        if default is _NOTHING:
            raise
        return default
    value = decode(answer.get("value"))
    if into is None:
        return value
    from leasehold.runtime.shaping import shaped

    return shaped(value, into, f"xcom {task}/{key}")


def pull_all(
    task: str, key: str = RESULT_KEY, *, run: str | None = None, wait: float | str | timedelta | None = None
) -> Pulled:
    """Return what the instances of a mapped ``task`` left, as a sequence in the order of their map index.

    It reads what is asked for, in pages: ``len``, ``[3]``, ``[-1]``, slices and iteration need no list of all values.

    Args:
        task: The task.
        key: What its instances pushed under; left out: what they returned.
        run: As in ``pull``.
        wait: How long each read waits while the API is out of reach (default: two minutes).
    """
    from leasehold.runtime.pulled import Pulled

    return Pulled(host_or_outside(), task, key, run=run, wait=wait)


def count(
    task: str, key: str = RESULT_KEY, *, run: str | None = None, wait: float | str | timedelta | None = None
) -> int:
    """Return how many instances of ``task`` left a value under ``key``."""
    return len(pull_all(task, key, run=run, wait=wait))
