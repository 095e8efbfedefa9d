"""What a task says about the tasks after it."""

from __future__ import annotations

from leasehold.runtime.host import host_or_outside


def skip_downstream(*tasks: str) -> None:
    """Skip ``tasks``, which depend directly on this one, if this one succeeds. What comes after them follows its rules.

    Raises:
        RefusedError: if one of them is not directly downstream (the message says what is), or no task is running here.
    """
    host_or_outside().write("POST", "/v1/skip-downstream", {"tasks": list(tasks)})
