"""What an author may say about effort and limits: retries, delays, time-outs, how many at once. Checked, in seconds."""

from __future__ import annotations

from leasehold.durations import seconds


def _whole(lowest: int, highest: int, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
        return value
    raise ValueError(f"a whole number from {lowest} to {highest} is needed")


def _retries(value: object) -> int:
    return _whole(0, 1000, value)


def _priority(value: object) -> int:
    return _whole(-100, 100, value)


def _length(value: object, lowest: float, highest: float, limits: str) -> float:
    length = seconds(value)  # type: ignore[arg-type]  # it refuses what is not a duration, with a clear text
    if not lowest <= length <= highest:
        raise ValueError(f"it may be {limits}")
    return length


def _retry_delay(value: object) -> float:
    return _length(value, 0, 366 * 86400, "0 seconds to 366 days")


def _max_retry_delay(value: object) -> float:
    return _length(value, 0.001, 366 * 86400, "more than 0, up to 366 days")


def _retry_backoff(value: object) -> str:
    if value in ("constant", "exponential"):
        return str(value)
    raise ValueError('use "constant" or "exponential"')


def _queue_timeout(value: object) -> float | None:
    return None if value is None else _length(value, 0.001, 366 * 86400, "more than 0, up to 366 days")


def how_many(value: object) -> int:
    """Return ``value`` if it may be a limit.

    Raises:
        ValueError: if it may not.
    """
    return _whole(1, 100_000, value)


def _timeout(value: object) -> float | None:
    return None if value is None else _length(value, 0.001, 30 * 86400, "more than 0, up to 30 days")


def _max_offline(value: object) -> float:
    return _length(value, 10, 7 * 86400, "10 seconds to 7 days")


EFFORT = {
    "retries": _retries,
    "retry_delay": _retry_delay,
    "retry_backoff": _retry_backoff,
    "max_retry_delay": _max_retry_delay,
    "timeout": _timeout,
    "max_offline": _max_offline,
    "priority": _priority,
    "queue_timeout": _queue_timeout,
    "pool_slots": how_many,
    "max_active_tis_per_dag": how_many,
    "max_active_tis_per_dagrun": how_many,
}
"""Option → what reads it, and raises ``ValueError`` for what it can't be."""

EFFORT_FIELDS = {
    "retry_delay": "retry_delay_s",
    "max_retry_delay": "max_retry_delay_s",
    "timeout": "timeout_s",
    "queue_timeout": "queue_timeout_s",
    "max_offline": "max_offline_s",
}
"""Option → field of the task's entry, where the two differ."""

ELSEWHERE = {
    "retry_exponential_backoff": 'retry_backoff="exponential"',
    "retry_exponential": 'retry_backoff="exponential"',
    "priority_weight": "priority=",
    "execution_timeout": "timeout=",
    "concurrency": "max_active_tis_per_dag=",
    "task_concurrency": "max_active_tis_per_dag=",
    "max_active_tasks": "max_active_tasks= of @dag, or max_active_tis_per_dag= of the task",
}
"""What Airflow calls it, or where it is said → what to write here."""
