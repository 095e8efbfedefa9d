"""The end of a forked task: what an interpreter's end does for its program, without taking everything apart.

Taking apart what was there before the fork would copy all of it first. What a program can count on is kept: its threads
are waited for, its exit handlers run, what it wrote is flushed, its objects that nobody holds any more are finalised.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from io import BufferedRandom, BufferedWriter, TextIOWrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_UNCAUGHT = 1
_NOT_FLUSHED = 120


def leave(main: Callable[[], object], *, shared: frozenset[str]) -> NoReturn:
    """Run ``main`` and end the process as an interpreter would. ``shared`` names the modules from before the fork."""
    try:
        main()
        status = 0
    except SystemExit as end:
        status = _status(end)
    except BaseException as problem:  # noqa: BLE001 - shown as an interpreter shows it
        sys.excepthook(type(problem), problem, problem.__traceback__)
        status = _UNCAUGHT
    if threading := sys.modules.get("threading"):
        threading._shutdown()
    atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]  # there is no other way to run them now
    _forget_modules(shared)
    _flush_files()
    if not _flush_streams():
        status = _NOT_FLUSHED
    os._exit(status)


def _status(end: SystemExit) -> int:
    match end.code:
        case None:
            return 0
        case int() as status:
            return status & 0xFF
        case text:
            print(text, file=sys.stderr)  # noqa: T201 - what an interpreter does
            return _UNCAUGHT


def _forget_modules(shared: frozenset[str]) -> None:
    """Let go of what the task's own modules hold, as an interpreter does: their objects are finalised."""
    for name, module in list(sys.modules.items()):
        if name in shared or name.partition(".")[0] in sys.stdlib_module_names:
            continue
        names: dict[str, object] = getattr(module, "__dict__", {})
        for own in [own for own in names if not own.startswith("__")]:
            names[own] = None
    gc.collect()


def _flush_files() -> None:
    """Flush what is open still, wherever it is held."""
    for one in gc.get_objects():
        if isinstance(one, BufferedWriter | BufferedRandom | TextIOWrapper) and not one.closed:
            try:
                one.flush()
            except (OSError, ValueError):
                continue


def _flush_streams() -> bool:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            return False
    return True
