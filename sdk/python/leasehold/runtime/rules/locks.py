"""Locked dependencies: the text that pins them, and the file in a bundle that says of what its environment is made."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

ENVIRONMENT_FILE = ".leasehold/environment.json"
"""In a bundle. A name with a dot at its front is no module, and no file of an author's gets there."""
_PINNED = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==(?P<version>[A-Za-z0-9.+!_-]+)\s*(?:;(?P<marker>.*))?"
)
_WHEEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!\-]{0,250}\.whl")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASH = re.compile(r"--hash=sha256:(?P<sha256>[0-9a-f]{64})")


class BadLockError(ValueError):
    """A lock, or a description of an environment, that can't be used. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One package of a lock."""

    name: str
    version: str
    hashes: frozenset[str]
    marker: str | None = None
    """Where it is wanted, if not everywhere."""

    @property
    def is_conditional(self) -> bool:
        """Say whether it is not wanted everywhere."""
        return self.marker is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEnvironment:
    """Of what an environment is made, as its bundle says."""

    lock: str
    """Requirements with hashes, as pip and uv read them."""
    requires_python: str | None = None
    wheels: Mapping[str, str] = field(default_factory=dict[str, str])
    """File name → SHA-256 of the packages that travel with the DAG."""

    def as_bytes(self) -> bytes:
        """Return what stands in the bundle: the same for the same environment."""
        document = {
            "format": 1,
            "lock": self.lock,
            "requires_python": self.requires_python,
            "wheels": dict(sorted(self.wheels.items())),
        }
        return json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"


def locked_packages(lock: str) -> list[LockedPackage]:
    """Return the packages of a lock.

    Raises:
        BadLockError: if a line is no pinned package with hashes.
    """
    found: list[LockedPackage] = []
    for line in _logical_lines(lock):
        pinned, *hashes = re.split(r"\s+(?=--hash=)", line)
        match = _PINNED.fullmatch(pinned.strip())
        matches = [_HASH.fullmatch(each.strip()) for each in hashes]
        if match is None or not hashes or not all(matches):
            raise BadLockError(f"the lock has a line that is no package with its version and hashes: {line[:200]!r}")
        found.append(
            LockedPackage(
                name=normal_name(match["name"]),
                version=match["version"],
                hashes=frozenset(each["sha256"] for each in matches if each),
                marker=match["marker"],
            )
        )
    return found


def wanted_environment(data: bytes) -> WantedEnvironment:
    """Read what a bundle says of its environment.

    Raises:
        BadLockError: if it can't be used.
    """
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise BadLockError(f"{ENVIRONMENT_FILE} of the bundle is not JSON: {problem}") from None
    match found:
        case {"format": 1, "lock": str(lock), "requires_python": None | str() as requires, "wheels": dict(wheels)}:
            checked = _checked(cast("dict[object, object]", wheels))
            locked_packages(lock)
            return WantedEnvironment(lock=lock, requires_python=requires, wheels=checked)
        case {"format": int(number)} if number != 1:
            raise BadLockError(f"{ENVIRONMENT_FILE} has format {number}, which this agent does not know: update it")
        case _:
            raise BadLockError(f"{ENVIRONMENT_FILE} of the bundle says nothing of an environment")


def lock_digest(lock: str) -> str:
    """Return the SHA-256 that names a lock."""
    return hashlib.sha256(lock.encode()).hexdigest()


def normal_name(name: str) -> str:
    """Return a package's name in its one spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _checked(wheels: dict[object, object]) -> dict[str, str]:
    checked: dict[str, str] = {}
    for name, sha256 in wheels.items():
        if not _WHEEL_NAME.fullmatch(str(name)) or not _SHA256.fullmatch(str(sha256)):
            raise BadLockError(f"{ENVIRONMENT_FILE} names a wheel that can't be one: {str(name)[:200]!r}")
        checked[str(name)] = str(sha256)
    return checked


def _logical_lines(lock: str) -> list[str]:
    lines = [line for line in lock.splitlines() if not line.lstrip().startswith("#")]
    return [line.strip() for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]
