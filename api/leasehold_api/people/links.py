"""One-time sign-in links: how long they last, and what they look like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from leasehold_api.acting import By
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_api.people.sessions import NewSession

INVITE_LASTS_S = 7 * 86400.0
RESET_LASTS_S = 24 * 3600.0
BOOTSTRAP_LASTS_S = 3600.0


class Purpose(StrEnum):
    """What a link is for."""

    BOOTSTRAP = "bootstrap"  # the first platform admin
    INVITE = "invite"
    RESET = "reset"  # a new password


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLink:
    """A link that still works."""

    user_id: str
    user: str
    purpose: Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalUser:
    """Whom a password is checked for."""

    id: str
    name: str
    password_hash: str
    locked_because: str | None


class LocalSignInStore(Protocol):
    """Where links and passwords are kept; of both only hashes."""

    async def open_link(self, code: OpaqueToken, *, now: float) -> OpenLink | None:
        """Return the link that a code opens, if it still works."""
        ...

    async def redeem(self, code: OpaqueToken, *, password_hash: str, session: NewSession) -> bool:
        """Use a link up: keep the password, end what was signed in before, begin the session.

        Of any number of uses at once one succeeds; the others change nothing.
        """
        ...

    async def local_user(self, name: str) -> LocalUser | None:
        """Return the user with this name who has a password here."""
        ...

    async def rehash(self, user_id: str, *, was: str, password_hash: str) -> None:
        """Put another hash of the same password in place of ``was``."""
        ...

    async def bootstrap(self, name: str, *, user_id: str, link: OpaqueToken, by: By) -> None:
        """Make a platform admin, or take the one of that name, and keep the hash of a link for them.

        Raises:
            ConflictError: if somebody has that name who is no platform admin with a password, or who is locked.
        """
        ...


def address_of_link(public_url: str, code: OpaqueToken) -> str:
    """Return the link. The code is its fragment, which browsers send to no server, so that it is in no log."""
    return f"{public_url}/welcome#{code.text}"
