"""Leads what a task process says without knowing us into its log: ``print``, ``warnings``, ``logging``."""

from __future__ import annotations

import sys
import warnings
from io import TextIOWrapper

from leasehold.runtime import log
from leasehold.runtime.authors_files import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import TextIO


def lead_into_log() -> None:
    """Make lines leave the process as they are printed, and turn warnings and ``logging`` into records."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    warnings.showwarning = _show_warning
    if "logging" in sys.modules:
        _install_handler()
    else:
        sys.meta_path.insert(0, _OnceLoggingIsImported())


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if file is not None:
        file.write(warnings.formatwarning(message, category, filename, lineno, line))
    else:
        log.warning(f"{category.__name__}: {message}", file=name_of(filename), line=lineno)


def _install_handler() -> None:
    from leasehold.runtime.log_handler import install

    install()


class _OnceLoggingIsImported:
    """Adds the handler when the author's code imports ``logging``: importing it for everybody would be dear."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find ``logging`` as it would be found without us, and follow up on its import."""
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next((spec for spec in found if spec), None)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def execute_and_install(module: ModuleType) -> None:
                execute(module)
                _install_handler()

            spec.loader.exec_module = execute_and_install  # type: ignore[method-assign]  # this one import only
        return spec
