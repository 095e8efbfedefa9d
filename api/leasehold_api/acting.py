"""Who does something in which team, and which part of a list is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """The team that something is done in."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who does it, when, and from where: for the audit trail."""

    actor: str
    at: float
    """Seconds since 1970."""
    address: str | None = None
    """Where the request came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Which part of a list: at most ``limit`` rows after the one whose name or id is ``after``."""

    after: str | None = None
    limit: int = 1000
