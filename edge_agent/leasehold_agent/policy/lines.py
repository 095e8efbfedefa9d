"""Where in a TOML text a key stands: the parser of the standard library does not say, and mistakes name their line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence

Path = tuple[str | int, ...]
_HEADER = re.compile(r"\s*(?P<open>\[\[?)\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*(?P<key>(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"))*)\s*=""")


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, from 1, of every table and key; the text must be TOML."""
    found: dict[Path, int] = {}
    counts: dict[str, int] = {}
    table: Path = ()
    statement = ""
    for number, line in enumerate(text.splitlines(), 1):
        if statement:
            statement += "\n" + line
        elif header := _HEADER.fullmatch(line):
            table = _names(header["name"])
            if header["open"] == "[[":
                counts[header["name"]] = counts.get(header["name"], -1) + 1
                table = (*table, counts[header["name"]])
            found.setdefault(table, number)
            continue
        elif key := _KEY.match(line):
            found.setdefault((*table, *_names(key["key"])), number)
            statement = line
        if statement and _is_whole(statement):
            statement = ""
    return found


def line_of(text: str, where: Sequence[str | int], value: object = None) -> int:
    """Return the line of what ``where`` leads to, or of the nearest thing around it.

    A text inside a list that goes over several lines is looked for between its key and the next one.
    """
    lines = key_lines(text)
    path: Path = tuple(where)
    while path and path not in lines:
        path = path[:-1]
    start = lines.get(path, 1)
    if path == tuple(where) or not isinstance(value, str):
        return start
    end = min((line for line in lines.values() if line > start), default=len(text.splitlines()) + 1)
    for number, line in enumerate(text.splitlines()[start - 1 : end - 1], start):
        if f'"{value}"' in line or f"'{value}'" in line:
            return number
    return start


def _names(dotted: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _is_whole(statement: str) -> bool:
    """Say whether ``key = …`` ends here, and does not go on in the next line."""
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True
