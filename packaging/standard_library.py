"""The standard library's modules by name: what tasks import is unknown when the binary is built, so all go in."""

from __future__ import annotations

import importlib.machinery
import pkgutil
import sys
from collections.abc import Iterator, Sequence

LEFT_OUT = (
    # What makes environments from an installed Python; the interpreter's own tests; jokes.
    "ensurepip",
    "venv",
    "test",
    "antigravity",
    "this",
    # Windows on a screen: 12 MB of libraries.
    "_tkinter",
    "idlelib",
    "tkinter",
    "turtle",
    "turtledemo",
    # Sun's yellow pages, gone from Python 3.13: they bring Kerberos.
    "nis",
    # Bring GNU readline and gdbm, whose licence (GPL 3) would be that of the whole binary.
    "readline",
    "_gdbm",
    # Needs its grammar files, gone from Python 3.13; makes packages, gone from Python 3.12.
    "lib2to3",
    "distutils",
)


def modules() -> list[str]:
    """Return every module of the running interpreter's standard library that this platform has, less ``LEFT_OUT``."""
    names = sorted(sys.stdlib_module_names - set(LEFT_OUT))
    return [module for name in names for module in _with_submodules(name, None)]


def _with_submodules(name: str, path: Sequence[str] | None) -> Iterator[str]:
    if name in sys.builtin_module_names:
        return
    spec = importlib.machinery.PathFinder.find_spec(name, path)
    if spec is None:
        return
    yield name
    for found in pkgutil.iter_modules(spec.submodule_search_locations or (), f"{name}."):
        if found.name.rpartition(".")[2] not in ("test", "tests"):
            yield from _with_submodules(found.name, spec.submodule_search_locations)
