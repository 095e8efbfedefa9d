"""Named places where a crash matters. Standard library only: attempt hosts have them too.

``LEASEHOLD_FAULT_POINT=name[:nth][@mark]`` makes the process kill itself when it reaches ``name`` for the nth time.
With ``mark``, a file that is not there yet, only the process that makes it dies: of all that inherit the variable,
one, once. Without the variable ``reach`` does nothing. tests/system/test_fault_points.py crashes at every one of them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

VARIABLE = "LEASEHOLD_FAULT_POINT"


def _nothing(_name: str) -> None:
    """Pass by."""


def armed(plan: str | None) -> Callable[[str], None]:
    """Return what ``reach`` does under a plan, the variable's text."""
    if not plan:
        return _nothing
    where, _, mark = plan.partition("@")
    name, _, nth = where.partition(":")
    left = int(nth or "1")

    def reach(point: str) -> None:
        nonlocal left
        if point != name:
            return
        left -= 1
        if left == 0 and (not mark or _is_first(mark)):
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def _is_first(mark: str) -> bool:
    try:
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


reach = armed(os.environ.get(VARIABLE))
"""Die here, if this is the point that was asked for."""
