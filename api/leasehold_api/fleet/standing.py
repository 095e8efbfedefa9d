"""How callers stand at this moment: read from the database on every request, so that a lock works at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from leasehold_api.callers import Membership


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStanding:
    """An agent as it stands at this moment."""

    agent_id: str
    agent_name: str
    site_id: str
    site: str
    team_id: str
    team: str
    jkt: str
    token_epoch: int
    locked_because: str | None
    is_finishing: bool
    """It is locked, and may bring what it holds to an end."""
    policy: str | None
    """The fingerprint of its site's own policy."""
    is_token_revoked: bool = False
    """The one token that was shown was ended before its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApiToken:
    """An API token as it stands at this moment."""

    id: str
    name: str
    membership: Membership | None
    """None: it is a platform admin's."""
    sha256: str
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStanding:
    """A person as they stand at this moment."""

    id: str
    name: str
    is_platform_admin: bool
    token_epoch: int
    """Raised to end every session and token that was issued before."""
    locked_because: str | None
    memberships: Mapping[str, Membership]
    """By the team's name; of several roles in one team the highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInStanding:
    """An application that works for a person, as both stand at this moment."""

    user: UserStanding
    expires_at: float
    ended_because: str | None
    is_token_revoked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClientStanding:
    """A service client as it stands at this moment."""

    id: str
    name: str
    membership: Membership
    token_epoch: int
    expires_at: float | None
    locked_because: str | None
    is_token_revoked: bool


class Callers(Protocol):
    """Where callers are looked up: one indexed query each."""

    async def agent(self, agent_id: str, *, jti: str) -> AgentStanding | None:
        """Return the standing of an agent, and of the token with this ``jti``."""
        ...

    async def api_token(self, token_id: str) -> StoredApiToken | None:
        """Return an API token."""
        ...

    async def user(self, user_id: str) -> UserStanding | None:
        """Return a person's standing."""
        ...

    async def signed_in(self, sign_in_id: str, *, jti: str) -> SignInStanding | None:
        """Return the standing of a sign-in, of its person, and of the token with this ``jti``."""
        ...

    async def service_client(self, client_id: str, *, jti: str) -> ServiceClientStanding | None:
        """Return the standing of a service client, and of the token with this ``jti``."""
        ...

    async def team_id(self, name: str) -> str | None:
        """Return the id of a team."""
        ...

    async def api_token_used(self, token_id: str, *, now: float) -> None:
        """Remember when a token was last used; need not be exact."""
        ...
