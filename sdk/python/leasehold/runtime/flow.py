"""What a task says about the tasks after it."""

from __future__ import annotations

from leasehold.errors import RefusedError
from leasehold.runtime.host import current_host


def skip_downstream(*tasks: str) -> None:
    """Skip ``tasks``, which depend directly on this one, if this one succeeds. What comes after them follows its rules.

    Raises:
        RefusedError: if one of them is not directly downstream (the message says what is), or no task is running here.
    """
    host = current_host()
    if host is None:
        raise RefusedError("no task is running here, so that there is nothing downstream to skip")
    host.write("POST", "/v1/skip-downstream", {"tasks": list(tasks)})
