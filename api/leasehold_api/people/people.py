"""People: all of what the pages and the routes about them use."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_api.people.sessions import SessionStore


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Everything about people."""

    sessions: SessionStore
