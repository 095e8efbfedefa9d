"""What of a process an import may not change, if tasks are to be forked from it afterwards.

A module that was imported before the fork looks to a task as if the task had imported it; so do its registered exit
and fork handlers. What is looked at here belongs to the process instead, or would be the same in every task although
it is to be each one's own.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from leasehold.warm.process import child_pids, count_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_TO_TASKS = ("HOME", "TMPDIR")
"""Variables that each task has its own value of."""


def look() -> dict[str, object]:
    """Return what is now, by a name for people; from here on it is noted who reads variables of ``OWN_TO_TASKS``."""
    variables = os.environ._data  # type: ignore[attr-defined]  # the mapping below the one that encodes
    if not isinstance(variables, _Watched):
        variables = os.environ._data = _Watched(variables)  # type: ignore[attr-defined]
    mask = os.umask(0o077)
    os.umask(mask)
    return {
        "threads": count_threads(),
        "child processes": child_pids(),
        "open files": _open_files(),
        "the working directory": os.getcwd(),  # noqa: PTH109 - pathlib would live in every task
        "the umask": mask,
        "environment variables": dict(variables),
        "uses of environment variables that are each task's own": set(variables.read),
        "sys.path": list(sys.path),
        "sys.argv": list(sys.argv),
        "sys.excepthook": sys.excepthook,
        "standard streams": [id(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "signal handlers": _signal_handlers(),
        "timers": [signal.getitimer(timer) for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL)],
        "the locale": _locale(),
        "logging's handlers": _root_handlers(),
        "the collector": (gc.isenabled(), gc.get_threshold()),
        "the recursion limit": sys.getrecursionlimit(),
    }


def stop_looking() -> None:
    """Note no longer who reads variables."""
    os.environ._data = dict(os.environ._data)  # type: ignore[attr-defined]  # as in ``look``


def what_differs(before: Mapping[str, object], after: Mapping[str, object]) -> str | None:
    """Return what an import has changed, for people; None when it is fit to be forked from."""
    changed = [name for name in before if before[name] != after[name]]
    return f"what its modules do when they are imported concerns {', '.join(changed)}" if changed else None


class _Watched(dict[bytes, bytes]):
    """The environment, with a note of who asked for what."""

    def __init__(self, given: Mapping[bytes, bytes]) -> None:
        super().__init__(given)
        self.read: set[str] = set()

    def __getitem__(self, key: bytes) -> bytes:
        if (name := os.fsdecode(key)) in OWN_TO_TASKS:
            self.read.add(name)
        return super().__getitem__(key)


def _open_files() -> dict[str, str]:
    found: dict[str, str] = {}
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208 - pathlib would live in every task
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - as above
        except FileNotFoundError:
            continue  # the listing itself
    return found


def _signal_handlers() -> dict[int, object]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _locale() -> str:
    import _locale

    return _locale.setlocale(_locale.LC_ALL, None)


def _root_handlers() -> list[int]:
    logging = sys.modules.get("logging")
    return [id(handler) for handler in logging.root.handlers] if logging else []
