"""From a fork to a task: everything in it is as in a fresh interpreter that the host had started for this task."""

from __future__ import annotations

import os
import resource
import signal
import sys

from leasehold.warm.process import name_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from signal import Signals
    from typing import Any

    from leasehold.warm.imports import Imports

_OOM_PREFERENCE = 500
_FIRST_OF_OURS = 3


class Launch:
    """What a task is given.

    Attributes:
        cwd: Its working directory.
        bundle: The folders that come before the SDK in ``sys.path``.
        imports: Where it tells what it imported; None when nobody wants to know.
    """

    __slots__ = ("bundle", "cwd", "err", "imports", "out")

    def __init__(self, given: Mapping[str, Any], out: int, err: int, *, imports: Imports | None) -> None:
        self.cwd: str = given["cwd"]
        self.bundle: list[str] = given["bundle"]
        self.out = out
        self.err = err
        self.imports = imports


def become(launch: Launch, *, name: str, signals: Mapping[Signals, Any]) -> Callable[[], None]:
    """Make this process the task; return what is to be called once the author's module is imported."""
    os.setsid()
    _take_streams(launch)
    for number, handler in signals.items():
        signal.signal(number, handler)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    _be_killed_first()
    name_process(name)
    os.umask(0o077)
    os.chdir(launch.cwd)
    _be_unlike_others()
    sys.path[:0] = launch.bundle
    imports, bundle = launch.imports, launch.bundle
    return (lambda: imports.tell(bundle)) if imports is not None else _tell_nobody


def _take_streams(launch: Launch) -> None:
    """Lead the standard streams to where the host reads, and close everything else."""
    os.dup2(launch.out, 1)
    os.dup2(launch.err, 2)
    os.closerange(_FIRST_OF_OURS, max(map(int, os.listdir("/proc/self/fd"))) + 1)  # noqa: PTH208 - light on purpose


def _be_killed_first() -> None:
    """Let the kernel kill this process before the host when memory runs out. Not being allowed to is no error."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:  # noqa: PTH123 - pathlib would live in every task
            own = int(file.read())
            file.seek(0)
            file.write(str(min(1000, own + _OOM_PREFERENCE)))
    except OSError:
        return


def _be_unlike_others() -> None:
    """Renew what modules drew once for themselves when they were imported before the fork.

    ``random`` and ``ssl`` see to that themselves, at every fork; ``secrets`` and ``uuid`` ask the kernel each time.
    """
    if tempfile := sys.modules.get("tempfile"):
        setattr(tempfile, "tempdir", None)  # noqa: B010 - not in the module's types
    if process := sys.modules.get("multiprocessing.process"):
        process.current_process().authkey = os.urandom(32)
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()


def _tell_nobody() -> None:
    """Nobody wants to know."""
