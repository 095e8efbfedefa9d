"""What packs are called, what they say of themselves, and where the repository has them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

NAME = re.compile(r"python3\.[1-9][0-9]?|uv")
VERSION = re.compile(r"[0-9][0-9A-Za-z.+~_]{0,99}")
PLATFORM = re.compile(r"[a-z][a-z0-9]*-[a-z0-9_]+")
LABEL = "pack.json"
"""The file in a pack that says which one it is."""
UV = "uv"
_ENDING = ".tar.gz"
_HASH = re.compile(r"[0-9a-f]{64}\.")
"""What the repository puts before the name of a file."""
_FILE = re.compile(rf"({NAME.pattern})-({VERSION.pattern})-({PLATFORM.pattern}){re.escape(_ENDING)}")


class BadPackError(Exception):
    """It is no pack, another one than was asked for, or can't run here. The message has no full stop."""

    def __init__(self, wrong: str, *, cure: str = "Tell its publisher.") -> None:
        super().__init__(wrong)
        self.cure = cure


@dataclass(frozen=True, slots=True, order=True)
class Pack:
    """One version of a pack for one platform."""

    name: str
    """``python3.12`` or ``uv``."""
    version: str
    """Of what is inside, like ``3.12.4``; a pack made once more has ``+2`` behind that."""
    platform: str
    """Like ``linux-x86_64``."""

    @property
    def starts(self) -> str:
        """The program in it, by its path."""
        return starts(self.name)

    @property
    def inside(self) -> str:
        """The version that its program calls itself."""
        return self.version.partition("+")[0]

    @property
    def file(self) -> str:
        """The name of its archive."""
        return f"{self.name}-{self.version}-{self.platform}{_ENDING}"

    @property
    def target(self) -> str:
        """The path of its target in the repository."""
        return f"packs/{self.name}/{self.version}/{self.file}"

    @property
    def label(self) -> dict[str, str]:
        """What ``pack.json`` says."""
        return {"pack": self.name, "version": self.version, "platform": self.platform}


def starts(name: str) -> str:
    """Return the program of a pack, by its path in the tree."""
    return f"bin/{name}"


def is_file(asked: str) -> bool:
    """Tell whether somebody names the file of a pack, and not a pack."""
    return asked.endswith(_ENDING) or "/" in asked


def pack_in_file(name: str) -> Pack:
    """Return which pack a file is by its name, with or without the hash that the repository puts before it.

    Raises:
        BadPackError: it is no pack's.
    """
    match = _FILE.fullmatch(_HASH.sub("", name, count=1) if _HASH.match(name) else name)
    if match is None:
        raise BadPackError(f"{name} is no pack's file: those are called like python3.12-3.12.4-linux-x86_64{_ENDING}")
    return Pack(match[1], match[2], match[3])


def pack_labelled(content: bytes) -> Pack:
    """Return which pack a tree is by its ``pack.json``.

    Raises:
        BadPackError: it says none.
    """
    try:
        said = json.loads(content)
        found = Pack(str(said["pack"]), str(said["version"]), str(said["platform"]))
    except (ValueError, KeyError, TypeError):
        raise BadPackError(f"its {LABEL} does not say which pack it is") from None
    wrong = [
        text
        for text, form in ((found.name, NAME), (found.version, VERSION), (found.platform, PLATFORM))
        if form.fullmatch(text) is None
    ]
    if wrong:
        raise BadPackError(f"its {LABEL} says {wrong[0]!r}, which can be no pack's")
    return found


def glibc_labelled(content: bytes) -> tuple[int, int] | None:
    """Return the oldest glibc that a pack can run with, by its ``pack.json``; none when that does not say."""
    try:
        major, _, minor = str(json.loads(content)["glibc"]).partition(".")
        return int(major), int(minor)
    except (ValueError, KeyError, TypeError):
        return None


def catalogue_target(platform: str) -> str:
    """Return the path of the target that says which packs there are for a platform."""
    return f"packs/{platform}.json"


def write_catalogue(newest: Mapping[str, str]) -> bytes:
    """Return the content of that target.

    Args:
        newest: the version to have, by the name of the pack.
    """
    return (json.dumps({"packs": dict(sorted(newest.items()))}) + "\n").encode()


def read_catalogue(content: bytes) -> dict[str, str]:
    """Return the version to have, by the name of the pack.

    Raises:
        BadPackError: it is no such target. It is signed, so whoever publishes it made a mistake.
    """
    try:
        said = json.loads(content)["packs"]
    except (ValueError, KeyError, TypeError):
        said = None
    if not isinstance(said, dict):
        raise BadPackError("the repository's list of packs can't be understood")
    found = {str(name): str(version) for name, version in cast("dict[object, object]", said).items()}
    return {
        name: version for name, version in found.items() if NAME.fullmatch(name) and VERSION.fullmatch(version)
    }  # of a later kind of pack this agent knows nothing


def did_you_mean(name: str, there: Mapping[str, str]) -> str:
    """Return what to say of a name that is not there."""
    import difflib  # hosts know names too, and need not pay for this

    close = difflib.get_close_matches(name, there, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"It has {', '.join(sorted(there, key=minor_of))}." if there else "It has none yet."


def minor_of(name: str) -> tuple[int, str]:
    """Return what packs are ordered by: python3.9 before python3.11, and uv at the end."""
    _, _, minor = name.partition("3.")
    return (int(minor), name) if minor.isdigit() else (1000, name)
