"""Which versions of Python a ``requires-python`` allows: version specifiers (PEP 440), for Python's own versions."""

from __future__ import annotations

import re
from collections.abc import Iterable

Version = tuple[int, int, int]

_OLDEST: Version = (3, 11, 0)
"""The oldest Python that tasks run on."""
_CLAUSE = re.compile(r"(?P<operator>~=|==|!=|<=|>=|<|>)\s*(?P<release>[0-9]+(?:\.[0-9]+){0,2})(?P<any>\.\*)?")


class BadSpecifierError(ValueError):
    """Text that says nothing about versions of Python. The message says what is wrong with it."""


def allows(requires: str | None, version: Version) -> bool:
    """Say whether a version is allowed.

    Args:
        requires: Clauses with commas in between, like ``>=3.11,<3.13``; None allows every version.
        version: Major, minor and micro.

    Raises:
        BadSpecifierError: if it is none.
    """
    return all(_holds(*clause, version) for clause in _clauses(requires))


def lowest(requires: str | None) -> str:
    """Return the lowest ``major.minor`` that is allowed and that tasks can run on, as text.

    Raises:
        BadSpecifierError: if it is no specifier.
    """
    bounds = [release for operator, release, _ in _clauses(requires) if operator in (">=", "==", "~=", ">")]
    version = max([_padded(release) for release in bounds] + [_OLDEST])
    return f"{version[0]}.{version[1]}"


def read_version(text: str) -> Version | None:
    """Return the version in ``3.12.1`` or ``3.13.0rc1``; None when there is none."""
    match = re.match(r"([0-9]+)\.([0-9]+)(?:\.([0-9]+))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def _clauses(requires: str | None) -> Iterable[tuple[str, tuple[int, ...], bool]]:
    for part in (requires or "").split(","):
        text = part.strip()
        if not text:
            continue
        match = _CLAUSE.fullmatch(text)
        if match is None or (match["any"] and match["operator"] not in ("==", "!=")):
            raise BadSpecifierError(f"{text!r} is no condition on a version of Python, like >=3.11 or <3.14")
        release = tuple(int(number) for number in match["release"].split("."))
        if match["operator"] == "~=" and len(release) < 2:
            raise BadSpecifierError(f"{text!r} needs two numbers at least, like ~=3.11")
        yield match["operator"], release, bool(match["any"])


def _holds(operator: str, release: tuple[int, ...], is_prefix: bool, version: Version) -> bool:
    wanted = _padded(release)
    match operator:
        case "==":
            return version[: len(release)] == release if is_prefix else version == wanted
        case "!=":
            return not _holds("==", release, is_prefix, version)
        case "~=":
            return version >= wanted and version[: len(release) - 1] == release[:-1]
        case "<=":
            return version <= wanted
        case ">=":
            return version >= wanted
        case "<":
            return version < wanted
        case _:
            return version > wanted


def _padded(release: tuple[int, ...]) -> Version:
    major, minor, micro = (*release, 0, 0)[:3]
    return major, minor, micro
