"""What a task imported, told to its keeper in memory they share: the task has no open file more for it."""

from __future__ import annotations

import mmap
import sys

_BYTES = 64 * 1024


class Imports:
    """The names of the modules that the author's module brought in, from anywhere but its own bundle."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _BYTES)
        self._before = set(sys.modules)

    def tell(self, bundle: list[str]) -> None:
        """Write them down, in the order of their import. Modules of the bundle are each task's own."""
        names = [name for name in sys.modules if name not in self._before and _is_fit(name, bundle)]
        text = "\n".join(names).encode()
        if len(text) < _BYTES:
            self._memory[: len(text)] = text

    def told(self) -> list[str]:
        """Return what the task has told, none if it never got there."""
        return self._memory[:].rstrip(b"\0").decode(errors="replace").split()


def _is_fit(name: str, bundle: list[str]) -> bool:
    module = sys.modules[name]
    if name == "__main__" or getattr(getattr(module, "__spec__", None), "name", None) != name:
        return False  # made up by somebody, or under another's name
    places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
    return not any(str(place).startswith(f"{folder}/") for folder in bundle for place in places)
