"""Browser sessions: kept at the server, named by a secret that only the browser's cookie has."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from leasehold_api.fleet.standing import UserStanding

IDLE_S = 12 * 3600.0
"""A session that was not used for so long is over."""

LONGEST_S = 7 * 86400.0
"""So long a session lasts at most, however much it is used."""

USE_NOTED_EVERY_S = 60.0


class Method(StrEnum):
    """How somebody signed in."""

    LINK = "link"
    PASSWORD = "password"  # noqa: S105 - a kind, not a secret
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSecret:
    """What the cookie has: 256 random bits."""

    text: str = field(repr=False)

    @property
    def sha256(self) -> str:
        """What is stored."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def new_secret() -> SessionSecret:
    """Return the secret of a new session: never one that a browser brought along."""
    return SessionSecret(text=secrets.token_urlsafe(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that begins."""

    id: str
    secret: SessionSecret
    user_id: str
    method: Method
    at: float
    address: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStanding:
    """A session and its user as they stand at this moment."""

    id: str
    token_epoch: int
    created_at: float
    last_used_at: float
    expires_at: float
    ended_at: float | None
    user: UserStanding

    def is_alive(self, *, now: float) -> bool:
        """Say whether the session may still be used: what ends it counts from the next request on."""
        return (
            self.ended_at is None
            and now < self.expires_at
            and now - self.last_used_at < IDLE_S
            and self.token_epoch == self.user.token_epoch
            and self.user.locked_because is None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A live session, as its user sees it."""

    id: str
    method: Method
    created_at: float
    last_used_at: float
    address: str | None
    user_agent: str | None


class SessionStore(Protocol):
    """Where sessions are kept."""

    async def begin(self, session: NewSession) -> bool:
        """Keep a session unless its user is locked or gone; say whether it began."""
        ...

    async def standing(self, secret: SessionSecret) -> SessionStanding | None:
        """Return the session that a cookie names."""
        ...

    async def used(self, session_id: str, *, at: float, address: str | None) -> None:
        """Remember when and from where a session was last used; need not be exact."""
        ...

    async def list(self, user_id: str, *, now: float) -> list[SessionView]:
        """Return a user's live sessions, the one used last first."""
        ...

    async def end(self, session_id: str, *, user_id: str, actor: str, at: float, address: str | None) -> bool:
        """End one of a user's sessions; say whether it was alive."""
        ...
