"""What a binary knows of its own making: written into it by packaging/about.py. An installed agent knows nothing."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class Licence(NamedTuple):
    """Whose code is inside, and under which licence."""

    name: str
    version: str
    licence: str
    texts: tuple[str, ...]


@cache
def build_facts() -> dict[str, Any] | None:
    """Return what this binary was built from and with; None when this is no binary."""
    facts: dict[str, Any] | None = _read("build.json")
    return facts


def licences() -> list[Licence]:
    """Return the licences of everything inside; none when this is no binary."""
    return [Licence(**one | {"texts": tuple(one["texts"])}) for one in _read("licences.json") or ()]


def _read(name: str) -> Any:
    home: str | None = getattr(sys, "_MEIPASS", None)
    if home is None:
        return None
    return json.loads((Path(home) / "about" / name).read_text(encoding="utf-8"))
