"""Secret references: text that says where a secret is, instead of the secret. Pure; ``resolving`` looks there.

A text that begins with ``env:``, ``file:``, ``vault:`` or ``aws-sm:`` is a reference. A backslash before it
makes it a text again, and is taken away when a task reads it: ``\\env:HOME`` is the text ``env:HOME``,
``\\\\env:HOME`` is ``\\env:HOME``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from leasehold_protocol.v1.message import Json

WHOLE = ""
"""The key of a reference to all there is at its place."""

DEEPEST = 64
"""Texts nested deeper than this in a JSON value are texts, whatever they begin with."""

LONGEST = 1000


class Scheme(StrEnum):
    """Where secrets may be."""

    ENV = "env"
    FILE = "file"
    VAULT = "vault"
    AWS = "aws-sm"


_BEGINS = re.compile(r"(?P<escapes>\\*)(?P<scheme>env|file|vault|aws-sm):")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_AWS_PATH = re.compile(
    r"(?P<name>[A-Za-z0-9/_+=.@:\-]+)(?:\?(?P<which>stage|version)=(?P<label>[A-Za-z0-9/_+=.@:\-]+))?"
)


class NotAReferenceError(ValueError):
    """A text begins like a reference, but says no place. What it is, is not repeated: it may be a password."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is read at once: an environment variable, a file, a path in Vault, a version of an AWS secret."""

    scheme: Scheme
    path: str


@dataclass(frozen=True, slots=True)
class Reference:
    """One secret."""

    text: str
    place: Place
    key: str = WHOLE
    """Which field of what is there."""


def is_reference(text: str) -> bool:
    """Say whether ``text`` is a reference, well-formed or not."""
    found = _BEGINS.match(text)
    return found is not None and not found["escapes"]


def parse(text: str) -> Reference:
    """Return the reference that ``text`` is.

    Raises:
        NotAReferenceError: if it says no place.
    """
    scheme, _, rest = text.partition(":")
    if len(text) > LONGEST or not rest.isprintable():
        raise NotAReferenceError(f"a reference has up to {LONGEST} printable characters; {_ESCAPE}")
    match scheme:
        case Scheme.ENV if _ENV_NAME.fullmatch(rest):
            return Reference(text, Place(Scheme.ENV, rest))
        case Scheme.FILE if rest.startswith("/") and not rest.startswith("//") and not rest.endswith("/"):
            return Reference(text, Place(Scheme.FILE, rest))
        case Scheme.VAULT if found := _vault(text, rest):
            return found
        case Scheme.AWS if found := _aws(text, rest):
            return found
        case _:
            raise NotAReferenceError(f"it begins like a secret reference and is none: write {_LOOKS}; {_ESCAPE}")


def written(text: str) -> str:
    """Return the text that an escaped text stands for; any other as it is."""
    found = _BEGINS.match(text)
    return text[1:] if found is not None and found["escapes"] else text


def escaped(text: str) -> str:
    """Return what to store so that a task reads ``text``."""
    return f"\\{text}" if _BEGINS.match(text) else text


def references_in(value: Json) -> Iterator[str]:
    """Yield every reference in a JSON value."""
    return (text for text in _texts(value, DEEPEST) if is_reference(text))


def replaced(value: Json, change: Callable[[str], str], depth: int = DEEPEST) -> Json:
    """Return a JSON value with every text in it changed; names of fields stay."""
    if isinstance(value, str):
        return change(value)
    if depth and isinstance(value, dict):
        return {name: replaced(part, change, depth - 1) for name, part in value.items()}
    if depth and isinstance(value, list):
        return [replaced(part, change, depth - 1) for part in value]
    return value


def _texts(value: Json, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part, depth - 1)


def _vault(text: str, rest: str) -> Reference | None:
    path, _, key = rest.partition("#")
    parts = path.split("/")
    if not key or "#" in key or len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
        return None
    if is_credentials(path) and key not in ("username", "password"):
        return None
    return Reference(text, Place(Scheme.VAULT, path), key)


def _aws(text: str, rest: str) -> Reference | None:
    path, mark, key = rest.partition("#")
    if bool(mark) != bool(key) or "#" in key or _AWS_PATH.fullmatch(path) is None:
        return None
    return Reference(text, Place(Scheme.AWS, path), key or WHOLE)


def aws_parts(path: str) -> dict[str, str]:
    """Return what a place in AWS Secrets Manager is asked for with, by the names that ``GetSecretValue`` has for it."""
    name, _, version = path.partition("?")
    which, _, label = version.partition("=")
    return {"SecretId": name} | ({"VersionStage" if which == "stage" else "VersionId": label} if version else {})


def is_credentials(path: str) -> bool:
    """Say whether a path in Vault makes new database credentials each time it is read."""
    return re.fullmatch(r"database/creds/[^/]+", path) is not None


_LOOKS = (
    "env:NAME, file:/path, vault:<mount>/<path>#<key>, vault:database/creds/<role>#username (or #password) "
    "or aws-sm:<name>#<key>"
)
_ESCAPE = "a plain text that begins like one gets a backslash in front of it"
