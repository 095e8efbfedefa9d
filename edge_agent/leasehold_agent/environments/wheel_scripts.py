"""The commands that wheels bring, as files that the environment's interpreter runs."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator

_SHELL_TAKES = 127
"""Bytes of the first line of a script that every Linux reads."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ENTRY = re.compile(r"(?P<module>\w+(?:\.\w+)*)\s*:\s*(?P<object>\w+(?:\.\w+)*)\s*(?:\[[^]]*\])?")
_PLACEHOLDER = re.compile(rb"#!pythonw?[ \t]*\r?\n")


class BadEntryPointError(ValueError):
    """A list of entry points that can't be used."""


def first_line(python: str) -> str:
    """Return the beginning of a script that an interpreter runs: one line, or three where the path is too long."""
    if len(python.encode()) + 3 <= _SHELL_TAKES and " " not in python:
        return f"#!{python}\n"
    # To sh it is a command, to Python a text.
    quoted = "'\"'\"'".join(python.split("'"))
    return f"#!/bin/sh\n'''exec' '{quoted}' \"$0\" \"$@\"\n' '''\n"


def with_interpreter(script: bytes, python: str) -> bytes:
    """Return a script that a wheel brings, with the interpreter where it leaves that open."""
    match = _PLACEHOLDER.match(script)
    return first_line(python).encode() + script[match.end() :] if match else script


def commands(entry_points: str, python: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the commands that ``entry_points.txt`` has.

    Raises:
        BadEntryPointError: it can't be read.
    """
    reader = configparser.RawConfigParser(delimiters=("=",), strict=False)
    reader.optionxform = str  # type: ignore[assignment,method-assign]  # as the documentation of configparser has it
    try:
        reader.read_string(entry_points)
    except configparser.Error as problem:
        raise BadEntryPointError(f"entry_points.txt can't be read: {problem}") from None
    if not reader.has_section("console_scripts"):
        return
    for name, value in reader.items("console_scripts"):
        match = _ENTRY.fullmatch(value.strip())
        if match is None or not _NAME.fullmatch(name):
            raise BadEntryPointError(f"entry_points.txt has a command that can't be one: {name} = {value}"[:200])
        module, path = match["module"], match["object"]
        first = path.partition(".")[0]
        text = f"import sys\n\nfrom {module} import {first}\n\nif __name__ == '__main__':\n    sys.exit({path}())\n"
        yield name, (first_line(python) + text).encode()
