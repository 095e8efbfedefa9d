"""Which version an agent should have, and what it is called in the repository. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from leasehold_agent.exits import Exit, OperatorError

VERSION = re.compile(r"[0-9][0-9A-Za-z.+~_-]{0,99}")
_PARTS = re.compile(r"[0-9]+|[a-z]+")
_RELEASE = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_STAGES = {"dev": 0, "a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}
_THE_RELEASE, _AFTER_THE_RELEASE = 4, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the repository has for this agent."""

    version: str
    because: str
    """Why this one: ``channel stable``, ``pinned``, ``asked for``."""
    is_named: bool
    """A person named it: it is meant even when it is older than what runs."""


def channel_target(channel: str) -> str:
    """Return the path of the target that says which version a channel has."""
    return f"channels/{channel}.json"


def archive_target(version: str, platform: str) -> str:
    """Return the path of the target that holds a version for a platform."""
    return f"edge-agent/{version}/edge-agent-{version}-{platform}.tar.gz"


def version_in(channel: str, content: bytes) -> str:
    """Return the version that a channel's target names.

    Raises:
        OperatorError: it names none. It is signed, so whoever publishes it made a mistake.
    """
    try:
        version = json.loads(content)["version"]
        if not isinstance(version, str):
            raise TypeError
        return checked_version(version)
    except (ValueError, KeyError, TypeError, OperatorError):
        raise OperatorError(
            Exit.UPDATE,
            f"Channel {channel} of the repository names no version.",
            "Ask whoever publishes it; --to VERSION installs one without the channel.",
        ) from None


def checked_version(text: str) -> str:
    """Return ``text`` if it can be a version's name.

    Raises:
        OperatorError: it can't.
    """
    if VERSION.fullmatch(text) is None:
        raise OperatorError(Exit.USAGE, f"{text!r} is no version.", "Write it like --to 1.4.2")
    return text


def is_newer(one: str, other: str) -> bool:
    """Tell whether version ``one`` comes after ``other``: 1.10 after 1.9, 1.0 after 1.0rc2."""
    return _rank(one) > _rank(other)


def is_wanted(offer: Offer, running: str) -> bool:
    """Tell whether what is offered should replace what runs: a channel never takes an agent back."""
    return offer.version != running and (offer.is_named or is_newer(offer.version, running))


def _rank(version: str) -> tuple[tuple[int, ...], int, tuple[tuple[int, str], ...]]:
    """Return what versions are compared by: the release, what of it comes before or after it, and the rest."""
    release = _RELEASE.match(version)
    numbers = [int(part) for part in release.group().split(".")] if release else []
    while numbers and not numbers[-1]:  # 1.0 and 1.0.0 are the same
        numbers.pop()
    rest = _PARTS.findall(version[release.end() if release else 0 :].lower())
    stage = _STAGES.get(rest[0], _AFTER_THE_RELEASE) if rest else _THE_RELEASE
    return tuple(numbers), stage, tuple((int(part), "") if part.isdigit() else (0, part) for part in rest)
