"""A script's own metadata: the ``# /// script`` block of PEP 723 at the top of a DAG file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from leasehold.authoring.mistakes import AuthoringError
from leasehold.runtime.rules.python_versions import BadSpecifierError, allows

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:[\[(<>=!~;].*)?", re.DOTALL)
_OURS = ("wheels", "find-links", "no-index")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptMetadata:
    """What a DAG file says about the environment it needs."""

    requires_python: str | None = None
    dependencies: tuple[str, ...] = ()
    """Without Leasehold itself: every site has that."""
    wheels: bool = False
    """The wheels travel with the DAG, for sites without a package index."""
    find_links: tuple[str, ...] = ()
    """Folders with wheels, relative to the file's."""
    no_index: bool = False
    """Take nothing but what is in those folders."""
    line: int = 1


def script_metadata(source: str, file: str) -> ScriptMetadata:
    """Return the metadata in a DAG file's text.

    Raises:
        AuthoringError: if there is more than one block, or it isn't what PEP 723 says.
    """
    lines = source.splitlines()
    starts = [number for number, line in enumerate(lines) if line == "# /// script"]
    if not starts:
        return ScriptMetadata()
    place = (file, starts[-1] + 1)
    if len(starts) > 1:
        raise AuthoringError("there are two `# /// script` blocks", "Keep one (PEP 723).", place=place)
    try:
        table = tomllib.loads("\n".join(_block(lines[starts[0] + 1 :])))
    except (tomllib.TOMLDecodeError, ValueError) as problem:
        raise AuthoringError(f"the `# /// script` block is not TOML: {problem}", "See PEP 723.", place=place) from None
    return _metadata(table, place)


def _block(lines: list[str]) -> list[str]:
    """Return the block's lines without their comment marks: up to the last ``# ///`` of the comment."""
    comment: list[str] = []
    for line in lines:
        if line != "#" and not line.startswith("# "):
            break
        comment.append(line[2:])
    if "///" not in comment:
        raise ValueError("it is never closed; end it with `# ///`")
    return comment[: len(comment) - 1 - comment[::-1].index("///")]


def _metadata(table: dict[str, Any], place: tuple[str, int]) -> ScriptMetadata:
    requires = table.get("requires-python")
    if requires is not None and not isinstance(requires, str):
        raise AuthoringError("requires-python is not text", 'Write requires-python = ">=3.11".', place=place)
    try:
        allows(requires, (3, 11, 0))
    except BadSpecifierError as problem:
        raise AuthoringError(f"requires-python: {problem}", 'Write requires-python = ">=3.11".', place=place) from None
    tool = table.get("tool", {})
    ours = _ours(tool.get("leasehold", {}) if isinstance(tool, dict) else {}, place)
    return ScriptMetadata(
        requires_python=requires,
        dependencies=tuple(_dependencies(table.get("dependencies", []), place)),
        wheels=ours.get("wheels", False),
        find_links=tuple(ours.get("find-links", ())),
        no_index=ours.get("no-index", False),
        line=place[1],
    )


def _dependencies(given: object, place: tuple[str, int]) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise AuthoringError("dependencies is not a list of texts", 'Write dependencies = ["httpx"].', place=place)
    found: list[str] = []
    for text in map(str.strip, given):
        match = _REQUIREMENT.fullmatch(text)
        if match is None:
            raise AuthoringError(
                f"the dependency {text!r} can't be locked: it has to be a package's name, with versions if you like",
                'Write it like "httpx>=0.28"; a package of your own: build a wheel, and name its folder in find-links.',
                place=place,
            )
        if match["name"].lower() != "leasehold":
            found.append(text)
    return found


def _ours(table: object, place: tuple[str, int]) -> dict[str, Any]:
    """Return what ``[tool.leasehold]`` says, checked."""
    if not isinstance(table, dict):
        raise AuthoringError("tool.leasehold is not a table", "Write # [tool.leasehold].", place=place)
    for name, value in table.items():
        if name not in _OURS:
            close = get_close_matches(name, _OURS, n=1)
            cure = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(_OURS)}."
            raise AuthoringError(f"[tool.leasehold] has no {name}", cure, place=place)
        if name == "find-links":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise AuthoringError("find-links is not a list of texts", 'Write find-links = ["wheels"].', place=place)
        elif not isinstance(value, bool):
            raise AuthoringError(f"{name} is neither true nor false", f"Write {name} = true.", place=place)
    return table
