"""Metrics: numbers worth watching. Checked and dropped in a script run by hand."""

from __future__ import annotations

from leasehold.runtime.host import host_or_outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from types import TracebackType


def count(name: str, increment: float = 1, **tags: object) -> None:
    """Count something: adds ``increment`` to the counter ``name``."""
    _send(name, "counter", increment, tags)


def gauge(name: str, value: float, **tags: object) -> None:
    """Say how high something stands."""
    _send(name, "gauge", value, tags)


def timing(name: str, duration: float | str | timedelta, **tags: object) -> None:
    """Say how long something took (seconds, ``"1m30s"``, or a ``timedelta``)."""
    from leasehold.durations import seconds

    _send(name, "timing", seconds(duration), tags)


def timer(name: str, **tags: object) -> Timer:
    """Return a context manager that measures how long its block takes, also when the block raises."""
    return Timer(name, tags)


class Timer:
    """Measures a block on a clock that nobody sets."""

    __slots__ = ("_name", "_started", "_tags")

    def __init__(self, name: str, tags: dict[str, object]) -> None:
        self._name = name
        self._tags = tags
        self._started = 0.0

    def __enter__(self) -> None:
        from time import perf_counter

        self._started = perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from time import perf_counter

        _send(self._name, "timing", perf_counter() - self._started, self._tags)


def _send(name: str, kind: str, value: float, tags: dict[str, object]) -> None:
    number = float(value)
    if number - number != 0.0:
        raise ValueError(f"the metric {name!r} is {number!r}: a measurement is a finite number")
    labels = {tag: str(label) for tag, label in tags.items()}
    host_or_outside().write("POST", "/v1/metrics", {"name": name, "kind": kind, "value": number, "tags": labels})
