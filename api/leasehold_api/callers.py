"""Who calls: a person or program with an API token, an agent, or a task that holds a lease."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold_protocol.v1.fleet import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonCaller:
    """A person or program that showed an API token."""

    token_id: str
    name: str
    role: Role | None
    """None: the platform admin, who may do everything in every team."""
    team: str | None
    """None: the platform admin."""
    team_id: str | None = None
    expires_at: float | None = None
    address: str | None = None
    """Where the request came from, for the audit trail."""

    @property
    def is_platform_admin(self) -> bool:
        """The token belongs to the platform, not to a team."""
        return self.team is None

    @property
    def actor(self) -> str:
        """How the audit trail and ``created_by`` name this caller."""
        return f"token:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCaller:
    """A person or program, let into one team by the route's requirement."""

    person: PersonCaller
    team_id: str
    team: str

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
