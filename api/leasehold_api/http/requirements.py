"""What a route may ask of its caller."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from leasehold_protocol.v1.fleet import Role


class Kind(StrEnum):
    """Kinds of caller."""

    OPEN = "open"  # anybody; the OAuth endpoints authenticate by their own rules
    AGENT = "agent"
    TASK = "task"
    PERSON = "person"  # any valid API token
    PLATFORM_ADMIN = "platform_admin"
    TEAM = "team"  # an API token of the team in the path, with at least a role; or the platform admin's
    PAGE = "page"  # any browser; forms need the CSRF token of their page
    SIGNED_IN = "signed_in"  # a browser with a session; others are sent to sign in


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a route asks of its caller."""

    kind: Kind
    role: Role | None = None
    while_finishing: bool = False
    """Open also to a locked agent that may finish what it holds: nothing new is given out there."""
