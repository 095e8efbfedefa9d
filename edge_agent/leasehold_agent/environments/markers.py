"""Whether a package of a lock is wanted here: environment markers (PEP 508), as far as locks have them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

from leasehold.runtime.rules.python_versions import BadSpecifierError, Version, allows

_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[()])|(?P<text>'[^']*'|\"[^\"]*\")|(?P<operator>===|~=|==|!=|<=|>=|<|>|not\s+in\b|in\b)"
    r"|(?P<word>[a-z_.]+))"
)
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}
_VERSIONS = ("python_version", "python_full_version", "implementation_version")


class BadMarkerError(ValueError):
    """A marker that is not understood here."""


def facts(version: Version) -> dict[str, str]:
    """Return what markers ask of: this machine, and an interpreter's version."""
    machine, spelled = os.uname(), ".".join(map(str, version))
    return {
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_machine": machine.machine,
        "platform_system": machine.sysname,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "python_version": f"{version[0]}.{version[1]}",
        "python_full_version": spelled,
        "implementation_version": spelled,
        "extra": "",
    }


def holds(marker: str, known: Mapping[str, str]) -> bool:
    """Say whether a marker is true, given what it may ask of.

    Raises:
        BadMarkerError: it is not understood.
    """
    reading = _Reading(_tokens(marker), known)
    result = reading.any_of()
    if reading.rest:
        raise BadMarkerError(f"{marker!r} is not understood at {reading.rest[-1][1]!r}")
    return result


def _tokens(marker: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, text = 0, marker.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise BadMarkerError(f"{marker!r} is not understood at {text[at : at + 20]!r}")
        found.append((match.lastgroup, " ".join(match[match.lastgroup].split())))
        if match.lastgroup == "text":
            found[-1] = ("text", match["text"])
        at = match.end()
    return found


class _Reading:
    """``or`` of ``and`` of comparisons and brackets; what is read goes from the end of ``rest``."""

    def __init__(self, tokens: list[tuple[str, str]], known: Mapping[str, str]) -> None:
        self.rest = tokens[::-1]
        self._known = known

    def any_of(self) -> bool:
        result = self._all_of()
        while self._takes(("word", "or")):
            result = self._all_of() or result
        return result

    def _all_of(self) -> bool:
        result = self._one()
        while self._takes(("word", "and")):
            result = self._one() and result
        return result

    def _one(self) -> bool:
        if self._takes(("mark", "(")):
            result = self.any_of()
            if not self._takes(("mark", ")")):
                raise BadMarkerError("a bracket is not closed")
            return result
        left, operator, right = self._next(), self._next(), self._next()
        if operator[0] != "operator":
            raise BadMarkerError(f"{operator[1]!r} is no comparison")
        if left[0] == "word" and left[1] in _VERSIONS and operator[1] not in ("in", "not in"):
            return self._compares_version(left[1], operator[1], self._value(right))
        if right[0] == "word" and right[1] in _VERSIONS and operator[1] in _TURNED:
            return self._compares_version(right[1], _TURNED[operator[1]], self._value(left))
        match operator[1]:
            case "==":
                return self._value(left) == self._value(right)
            case "!=":
                return self._value(left) != self._value(right)
            case "in":
                return self._value(left) in self._value(right)
            case "not in":
                return self._value(left) not in self._value(right)
            case other:
                raise BadMarkerError(f"{other} is for versions of Python only")

    def _compares_version(self, name: str, operator: str, bound: str) -> bool:
        major, minor, micro = (*map(int, self._known[name].split(".")), 0)[:3]
        try:
            return allows(f"{operator}{bound}", (major, minor, micro))
        except BadSpecifierError as problem:
            raise BadMarkerError(str(problem)) from None

    def _value(self, token: tuple[str, str]) -> str:
        kind, text = token
        if kind == "text":
            return text[1:-1]
        if kind == "word" and text in self._known:
            return self._known[text]
        raise BadMarkerError(f"{text!r} is not known")

    def _takes(self, token: tuple[str, str]) -> bool:
        if self.rest and self.rest[-1] == token:
            self.rest.pop()
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if not self.rest:
            raise BadMarkerError("it ends too early")
        return self.rest.pop()
