"""``edge-python``: an interpreter for tasks, with the standard library and what the task's code adds, and nothing else.

It is called as ``python -I -S`` is: ``-c CODE``, ``-m MODULE`` or a file, with the usual flags before. Imported here is
next to nothing: every task pays for it. Called through a link in an environment, and without ``-S``, it sees what is
installed there as well.
"""

# ruff: noqa: PTH100, PTH113, PTH120 - pathlib is heavy

from __future__ import annotations

import os
import sys
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, NoReturn

_HOME: str = getattr(sys, "_MEIPASS", "")
"""The folder below which PyInstaller finds packed modules. Libraries of the agent lie there too."""
_STANDARD_LIBRARY = f"{_HOME}/standard-library"
"""Stands in ``sys.path`` for the packed modules. There is no such folder."""
_FLAGS_WITH_A_VALUE = ("-X", "-W")
_USAGE = "usage: edge-python [-I] [-S] [-B] [-u] [-X OPTION] [-W RULE] (-c CODE | -m MODULE | FILE) [ARGUMENT ...]"


def main() -> None:
    """Run what the arguments name, and end as ``python`` would."""
    flags, rest = _split(sys.argv[1:])
    _show_only_the_standard_library()
    _look_like_an_interpreter(flags)
    _enter_environment(with_packages="-S" not in flags)
    namespace = _fresh_main()
    try:
        match rest:
            case ["-c", code, *arguments]:
                sys.argv[:] = ["-c", *arguments]
                exec(compile(code, "<string>", "exec", dont_inherit=True), namespace)  # noqa: S102 - its purpose
            case ["-m", module, *arguments]:
                sys.argv[:] = ["-m", *arguments]
                __import__("runpy").run_module(module, run_name="__main__", alter_sys=True)
            case [file, *arguments] if not file.startswith("-"):
                sys.argv[:] = [file, *arguments]
                __import__("runpy").run_path(file, run_name="__main__")
            case _:
                sys.stderr.write(f"{_USAGE}\n")
                sys.exit(2)
    except Exception as problem:  # noqa: BLE001 - whatever the code raises is shown as an interpreter shows it
        _end_with(problem)
    finally:
        _leave_streams_to_flush()


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return the flags before what is to be run, and the rest."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] not in ("-c", "-m", "-"):
        at += 2 if arguments[at] in _FLAGS_WITH_A_VALUE else 1
    return arguments[:at], arguments[at:]


class _StandardLibrary:
    """Finds what is packed in the executable by its name in the standard library, and nothing else that lies there."""

    def __init__(self, path: str) -> None:
        if path != _STANDARD_LIBRARY:
            raise ImportError
        # PyInstaller's finder: it has found this very module. Beside packed modules it finds folders, and so half of
        # the agent's libraries (their compiled parts), as if they were packages.
        self._packed: Any = sys.path_importer_cache[_HOME]

    def find_spec(self, name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        # What sysconfig knows is in a module named after the platform, which the list does not name.
        if name not in sys.stdlib_module_names and not name.startswith("_sysconfigdata_"):
            return None
        spec: ModuleSpec | None = self._packed.find_spec(name, target)
        return spec

    def invalidate_caches(self) -> None:
        self._packed.invalidate_caches()


def _show_only_the_standard_library() -> None:
    sys.path_hooks.insert(0, _StandardLibrary)
    sys.path[:] = [_STANDARD_LIBRARY if path == _HOME else path for path in sys.path]


def _look_like_an_interpreter(flags: Sequence[str]) -> None:
    # Without this, multiprocessing starts its workers with arguments that only a frozen program understands.
    vars(sys).pop("frozen", None)
    sys.dont_write_bytecode = "-B" in flags
    # Read when warnings is first imported, which nothing has done yet.
    sys.warnoptions += [rule for flag, rule in pairwise(flags) if flag == "-W"]
    if "-u" in flags:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(write_through=True)  # type: ignore[union-attr]  # both are text files here


def _enter_environment(*, with_packages: bool) -> None:
    """Be the interpreter of the environment that the link is in by which this was called, if there is one.

    Only what the environment has is changed here: below ``_HOME`` nothing is ever written.
    """
    # Asked by agents that look for interpreters: another frozen program, or one of before, is none for packages.
    vars(sys)["_edge_python"] = "unpacks"
    called = _called_by()
    folder = os.path.dirname(called)
    root = os.path.dirname(folder)
    if folder == os.path.dirname(_HOME) or not os.path.isfile(f"{root}/pyvenv.cfg"):
        return
    # Also with -S: what is started from here says by this name that it belongs to the environment.
    sys.executable = called
    if with_packages:
        sys.prefix = sys.exec_prefix = root
        major, minor = sys.version_info[:2]
        sys.path.append(f"{root}/lib/python{major}.{minor}/site-packages")


def _called_by() -> str:
    """Return the absolute path by which this program was started; links are followed by the boot loader only."""
    name = sys.orig_argv[0]
    if "/" not in name:
        places = (f"{folder}/{name}" for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)
        name = next((place for place in places if os.path.isfile(place)), sys.executable)
    return os.path.abspath(name)


def _fresh_main() -> dict[str, Any]:
    """Return the namespace of a ``__main__`` that has no file: workers of multiprocessing would look for it."""
    namespace = vars(sys.modules["__main__"])
    namespace.clear()
    namespace |= {"__name__": "__main__", "__doc__": None, "__package__": None, "__loader__": None, "__spec__": None}
    namespace["__builtins__"] = sys.modules["builtins"]
    return namespace


def _end_with(problem: Exception) -> NoReturn:
    """Show the traceback without this file in it. PyInstaller's own end would add a line about a failed script."""
    trace = problem.__traceback__
    problem.__traceback__ = trace and trace.tb_next
    sys.excepthook(type(problem), problem, problem.__traceback__)
    sys.exit(1)


def _leave_streams_to_flush() -> None:
    """Put something in the place of standard streams that the code closed: the boot loader flushes them at the end."""
    for name in ("stdout", "stderr"):
        if getattr(getattr(sys, name), "closed", False) or getattr(getattr(sys, f"__{name}__"), "closed", False):
            null = open("/dev/null", "w")  # noqa: PTH123, SIM115 - pathlib is heavy; it is the process's last file
            setattr(sys, name, null)
            setattr(sys, f"__{name}__", null)
