"""Who calls: a person or program, an agent, or a task that holds a lease."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from leasehold_protocol.v1.fleet import Role


class PersonKind(StrEnum):
    """What a person or program showed; the first part of how the audit trail names it."""

    API_TOKEN = "token"  # noqa: S105 - a kind, not a secret
    USER = "user"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A team that a person or program may work in."""

    team_id: str
    team: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonCaller:
    """A person or program."""

    kind: PersonKind
    id: str
    """Of the API token or the user."""
    name: str
    is_platform_admin: bool
    """May do everything in every team."""
    memberships: Mapping[str, Membership]
    """By the team's name."""
    expires_at: float | None = None
    """When what was shown ends, in seconds since 1970."""
    address: str | None = None
    """Where the request came from, for the audit trail."""

    @property
    def only_membership(self) -> Membership | None:
        """The one team that the caller works in; none when there are several, or all."""
        return next(iter(self.memberships.values())) if len(self.memberships) == 1 else None

    @property
    def actor(self) -> str:
        """How the audit trail and ``created_by`` name this caller."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCaller:
    """A person or program, let into one team by the route's requirement."""

    person: PersonCaller
    team_id: str
    team: str
    role: Role
    """In that team; the platform admin is an admin of each."""

    @property
    def actor(self) -> str:
        """How the audit trail and ``created_by`` name this caller."""
        return self.person.actor


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCaller:
    """An agent that showed an access token and proved that it has the key."""

    agent_id: str
    agent_name: str
    site_id: str
    site: str
    team_id: str
    team: str
    jkt: str
    """RFC 7638 thumbprint of the agent's key."""
    is_finishing: bool = False
    """It is locked: it may end what it holds, and gets nothing new."""
    policy: str | None = None
    """The fingerprint of its site's own policy, as it last said."""
    token_id: str = field(default="", repr=False)
    """The ``jti`` of the access token that was shown, and below when it ends and which generation it is of."""
    token_expires_at: float = 0.0
    token_epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCaller:
    """A task, through the agent that holds its lease."""

    agent_id: str
    site_id: str
    team_id: str
    team: str
    task_instance: str
    epoch: int
    attempt: str
    task: str
    run: str
    dag: str
    scopes: frozenset[str]
    """Exact: ``connection:plant_db:read``, ``variable:limit:write``, ``xcom:extract:read``."""
    address: str | None
    """Where the request came from, for the audit trail."""
