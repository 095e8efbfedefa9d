"""A script's own metadata: the ``# /// script`` block of PEP 723 at the top of a DAG file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

from leasehold.authoring.mistakes import AuthoringError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptMetadata:
    """What a DAG file says about the environment it needs."""

    requires_python: str | None = None
    dependencies: tuple[str, ...] = ()
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
    dependencies = table.get("dependencies", [])
    if requires is not None and not isinstance(requires, str):
        raise AuthoringError("requires-python is not text", 'Write requires-python = ">=3.11".', place=place)
    if not isinstance(dependencies, list) or not all(isinstance(item, str) for item in dependencies):
        raise AuthoringError("dependencies is not a list of texts", 'Write dependencies = ["httpx"].', place=place)
    return ScriptMetadata(requires_python=requires, dependencies=tuple(dependencies), line=place[1])
