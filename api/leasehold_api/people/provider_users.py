"""People whom the OIDC provider vouches for: keyed by issuer and subject, never by a name or an e-mail address."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from leasehold_api.people.group_roles import Granted
from leasehold_api.people.provider import Identity
from leasehold_api.people.sessions import NewSession

PENDING_FOR_S = 900.0
"""How long somebody may take at the provider."""

_NOT_IN_NAMES = re.compile(r"[^a-z0-9_.@+\-]+")
_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Somebody who was sent to the provider."""

    state: str = field(repr=False)
    browser: str = field(repr=False)
    """What their browser's cookie has: nobody else may come back with the state."""
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    next_path: str
    expires_at: float


class Entry(StrEnum):
    """What became of a sign-in."""

    ENTERED = "entered"
    NOT_KNOWN = "not_known"  # no group is mapped, and nobody let them in before
    LOCKED = "locked"


class ProviderSignInStore(Protocol):
    """Where people of the provider are kept."""

    async def remember(self, pending: Pending, *, now: float) -> None:
        """Keep somebody who is sent to the provider."""
        ...

    async def take(self, *, state: str, browser: str, now: float) -> Pending | None:
        """Return, once, who was sent with this state by this browser."""
        ...

    async def enter(self, identity: Identity, granted: Granted, session: NewSession, *, needs_group: bool) -> Entry:
        """Make the user, or find them; put the roles of their groups in place; begin the session.

        ``session`` has the id that a new user gets. With ``needs_group`` nobody is made without a mapped group.
        """
        ...


def name_for(wanted: str, number: int) -> str:
    """Return the name that somebody gets here; ``number`` counts on from 1 while it is somebody else's."""
    plain = _NOT_IN_NAMES.sub("-", wanted.lower()).lstrip("-.@+")[:_LONGEST_NAME] or "user"
    return plain if number == 1 else f"{plain}-{number}"
