"""Signs a task gives of itself: how far it is, and what must not appear in its log.

In a script run by hand they are checked and go nowhere.
"""

from __future__ import annotations

from leasehold.runtime.host import host_or_outside


def heartbeat(progress: float | None = None, note: str | None = None) -> None:
    """Say how far the task is. People see it in ``leasehold runs show``.

    Args:
        progress: From 0 to 1.
        note: One line of text, at most 500 characters.

    Raises:
        ValueError: if ``progress`` is not between 0 and 1.
    """
    if progress is not None and not 0 <= progress <= 1:
        raise ValueError(f"progress is {progress!r}: it goes from 0 to 1")
    sign = {"progress": progress, "note": None if note is None else note[:500]}
    host_or_outside().write("POST", "/v1/heartbeat", sign)


def set_label(label: str) -> None:
    """Say what people shall call this task instance: ``set_label("plant north")``. The last one counts.

    It is shown beside the task's name; for mapped tasks it is Airflow's rendered map index.

    Raises:
        RefusedError: if it is not one line of 1 to 250 characters.
    """
    host_or_outside().write("POST", "/v1/label", {"label": label})


def mask(value: str) -> None:
    """Keep ``value`` out of the log from now on. What ``Connection.get`` hands out is masked by itself."""
    if value:
        host_or_outside().write("POST", "/v1/mask", {"value": value})
