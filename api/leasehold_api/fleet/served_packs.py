"""Which Pythons agents can get as packs from the repository that this service serves: to tell people, and nothing more.

Agents believe signatures, and not this reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from leasehold.runtime.rules.python_versions import BadSpecifierError, allows, read_version

_TARGET = re.compile(r"packs/(python3\.[0-9]+)/([0-9][^/]*)/[^/]+")
_TARGETS = re.compile(r"([0-9]+)\.targets\.json")


@dataclass(frozen=True, slots=True)
class ServedPack:
    """A Python that agents can get, on some platform."""

    name: str
    version: str


def pack_for(requires: str | None, packs: Iterable[ServedPack]) -> str | None:
    """Return the name of the pack with the newest Python that ``requires-python`` allows; none when there is none."""
    fitting = [(read, pack.name) for pack in packs if (read := read_version(pack.version)) is not None]
    try:
        return max(((read, name) for read, name in fitting if allows(requires, read)), default=((), None))[1]
    except BadSpecifierError:
        return None


class ServedPacks:
    """What is in the repository at the moment; it is read again when something is published."""

    def __init__(self, folder: Path | None) -> None:
        self._metadata = None if folder is None else folder / "metadata"
        self._read: tuple[str, list[ServedPack]] = ("", [])

    def __call__(self) -> list[ServedPack]:
        """Return the packs; none when nothing is served, or it can't be read."""
        if self._metadata is None:
            return []
        try:
            found = (
                (int(match[1]), path) for path in self._metadata.iterdir() if (match := _TARGETS.fullmatch(path.name))
            )
            _, newest = max(found)
            if newest.name != self._read[0]:
                self._read = (newest.name, _packs_in(newest))
        except (OSError, ValueError):
            return []
        return self._read[1]


def _packs_in(file: Path) -> list[ServedPack]:
    try:
        targets = list(json.loads(file.read_bytes())["signed"]["targets"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file} is no list of targets") from error
    return [ServedPack(match[1], match[2]) for path in targets if (match := _TARGET.fullmatch(str(path)))]
