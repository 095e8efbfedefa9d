"""Teams, sites, agents and tokens: what admins see and set. The promises of the stores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from leasehold_api.acting import By, Slice, Team
from leasehold_api.callers import AgentCaller
from leasehold_api.fleet.orders import Revision
from leasehold_api.fleet.service_clients import ServiceClientStore
from leasehold_api.opaque_tokens import OpaqueToken
from leasehold_protocol.v1.agents import AgentKeys
from leasehold_protocol.v1.fleet import (
    Agent,
    AgentList,
    ApiToken,
    ApiTokenList,
    ApiTokenRequest,
    EnrolmentToken,
    EnrolmentTokenList,
    EnrolmentTokenRequest,
    KeyRegistrationRequest,
    RunningAttempts,
    Site,
    SiteList,
    SiteWrite,
    TeamList,
)
from leasehold_protocol.v1.fleet import Team as TeamView


class TeamStore(Protocol):
    """Teams."""

    async def list(self, part: Slice, *, only: frozenset[str] | None) -> TeamList:
        """Return teams by name; with ``only``, those."""
        ...

    async def create(self, name: str, *, team_id: str, by: By) -> TeamView:
        """Make a team.

        Raises:
            ConflictError: already_exists.
        """
        ...


class SiteStore(Protocol):
    """Sites. What a site offers is matched again whenever it changes."""

    async def list(self, team: Team, part: Slice, *, now: float) -> SiteList:
        """Return the team's sites by name."""
        ...

    async def get(self, team: Team, name: str, *, now: float) -> Site:
        """Return a site.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        ...

    async def put(self, team: Team, name: str, write: SiteWrite, *, site_id: str, by: By) -> tuple[Site, bool]:
        """Make a site (with ``site_id``) or change it; return it, and whether it is new."""
        ...

    async def lock(self, team: Team, name: str, *, because: str, running: RunningAttempts, by: By) -> Site:
        """Lock a site: as if each of its agents were locked, those that enrol later too.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        ...

    async def unlock(self, team: Team, name: str, *, by: By) -> Site:
        """Let the site's agents in again, except those that are locked themselves."""
        ...

    async def trust(self, team: Team, name: str, *, trusted: bool, by: By) -> Site:
        """Let leases bring open secrets along to this site, or no more.

        Raises:
            NotFoundError: if the team has none of that name.
        """
        ...

    async def delete(self, team: Team, name: str, *, by: By) -> None:
        """Remove a site with its locked agents.

        Raises:
            NotFoundError: if the team has none of that name.
            ConflictError: if it has agents that are not locked, or runs refer to it.
        """
        ...


class AgentStore(Protocol):
    """Agents, as people see them."""

    async def list(self, team: Team, part: Slice, *, now: float) -> AgentList:
        """Return the team's agents in the order of their enrolment."""
        ...

    async def get(self, team: Team, agent: str, *, now: float) -> Agent:
        """Return an agent by its id, or by its name when only one has it.

        Raises:
            NotFoundError: if the team has no such agent.
        """
        ...

    async def lock(self, team: Team, agent: str, *, because: str, running: RunningAttempts, by: By) -> Agent:
        """Lock an agent: its tokens end at once. Locking it again changes only what becomes of what it runs."""
        ...

    async def unlock(self, team: Team, agent: str, *, by: By) -> Agent:
        """Let an agent in again. Its generations are counted anew: a clone that still runs is found again."""
        ...

    async def order(
        self, team: Team, agent: str, revise: Revision, *, action: str, detail: dict[str, Any], by: By
    ) -> Agent:
        """Change what is ordered of an agent, and call it so that it hears of that at once.

        Raises:
            NotFoundError: if the team has no such agent.
        """
        ...


class AgentKeyStore(Protocol):
    """The keys that agents propose for themselves."""

    async def propose(self, holder: AgentCaller, *, jkt: str, public_jwk: dict[str, str], now: float) -> AgentKeys:
        """Keep the agent's next key, in place of one it proposed before.

        Raises:
            ConflictError: if the key is in use, by this agent or another.
        """
        ...

    async def hand_over(self, holder: AgentCaller, *, jkt: str, address: str | None, now: float) -> AgentKeys:
        """Name the key, on another machine, that takes the agent over when it first proves itself.

        Until then the agent's own key works; it may hand over again, to the same key or another.

        Raises:
            ConflictError: if the key is in use, by this agent or another.
        """
        ...


class EnrolmentTokenStore(Protocol):
    """Enrolment tokens."""

    async def list(self, team: Team, part: Slice) -> EnrolmentTokenList:
        """Return the team's tokens, without secrets."""
        ...

    async def issue(
        self, team: Team, site: str, request: EnrolmentTokenRequest, *, token: OpaqueToken, by: By
    ) -> EnrolmentToken:
        """Keep the token's hash, for one enrolment at a site.

        Raises:
            NotFoundError: if the team has no such site.
        """
        ...

    async def preregister(
        self, team: Team, site: str, request: KeyRegistrationRequest, *, token_id: str, by: By
    ) -> EnrolmentToken:
        """Let a key in at a site, once, without a secret.

        Raises:
            NotFoundError: if the team has no such site.
            ConflictError: if an agent has the key, or it is registered already.
        """
        ...

    async def revoke(self, team: Team, token_id: str, *, by: By) -> None:
        """End a token that was not used.

        Raises:
            NotFoundError: if the team has none of that id.
            ConflictError: if it was used: the agent must be locked instead.
        """
        ...


class ApiTokenStore(Protocol):
    """API tokens."""

    async def list(self, team: Team, part: Slice) -> ApiTokenList:
        """Return the team's tokens, without secrets."""
        ...

    async def issue(self, team: Team, request: ApiTokenRequest, *, token: OpaqueToken, by: By) -> ApiToken:
        """Keep the token's hash."""
        ...

    async def revoke(self, team: Team, token_id: str, *, by: By) -> None:
        """End a token at once.

        Raises:
            NotFoundError: if the team has none of that id.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All of them."""

    teams: TeamStore
    sites: SiteStore
    agents: AgentStore
    agent_keys: AgentKeyStore
    enrolment_tokens: EnrolmentTokenStore
    api_tokens: ApiTokenStore
    service_clients: ServiceClientStore
