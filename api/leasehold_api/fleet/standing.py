"""How callers stand at this moment: read from the database on every request, so that a lock works at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from leasehold_protocol.v1.fleet import Role


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredApiToken:
    """An API token as it stands at this moment."""

    id: str
    name: str
    role: Role
    team_id: str | None
    team: str | None
    sha256: str
    expires_at: float | None
    revoked_at: float | None
    last_used_at: float | None


class Callers(Protocol):
    """Where callers are looked up: one indexed query each."""

    async def agent(self, agent_id: str) -> AgentStanding | None:
        """Return an agent's standing."""
        ...

    async def api_token(self, token_id: str) -> StoredApiToken | None:
        """Return an API token."""
        ...

    async def team_id(self, name: str) -> str | None:
        """Return the id of a team."""
        ...

    async def api_token_used(self, token_id: str, *, now: float) -> None:
        """Remember when a token was last used; need not be exact."""
        ...
