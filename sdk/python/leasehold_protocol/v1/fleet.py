"""Teams, sites, agents and the tokens that let them in, as admins see and set them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from leasehold_protocol.v1.agents import HostFacts, PolicyFacts
from leasehold_protocol.v1.context import ConnectionFields
from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.message import (
    Identifier,
    Instant,
    Json,
    Key,
    Labels,
    Message,
    Name,
    Page,
    Seconds,
    Text,
    Thumbprint,
)
from leasehold_protocol.v1.orders import Orders


class Role(StrEnum):
    """What a person or program may do in a team; each includes the ones before it."""

    VIEWER = "viewer"
    AUTHOR = "author"
    OPERATOR = "operator"
    ADMIN = "admin"


class WhoAmI(Message):
    """``GET /v1/whoami``."""

    name: str
    kind: str
    role: Role | None = None
    team: Name | None = None
    """The caller's team; none for the platform admin, who may name any, and for who works in several."""
    roles: dict[Name, Role] = Field(default_factory=dict[Name, Role])
    """By team."""
    expires_at: Instant | None = None


class TeamWrite(Message):
    """``POST /v1/teams``."""

    name: Name


class Team(Message):
    """A team: everything belongs to one."""

    name: Name
    created_at: Instant
    max_running: int | None = None
    """The most task instances that run at once, at all its sites together; none: as many as its agents take."""


class SiteWrite(Message):
    """``PUT /v1/teams/{team}/sites/{site}``."""

    labels: Labels = Field(default_factory=dict[str, str])
    max_slots: Annotated[int, Field(ge=1, le=1024)] = 64
    """The most slots that one agent of this site may use."""
    max_running: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """The most task instances that run at once, all agents of the site together; none: as many as they take."""
    weight: Annotated[int, Field(ge=0, le=1000)] = 10
    """The site's share of the work where agents of several sites wait for it; 0: only what no other site waits for."""
    reserved: Name | None = None
    """A label of the site: only tasks that ask for it run there; none: all that fit."""
    description: Annotated[Text, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _reserved_label_is_there(self) -> SiteWrite:
        if self.reserved is not None and self.reserved not in self.labels:
            raise ValueError(
                f"the site is to be reserved by its label {self.reserved!r}, which it does not have: set the label too"
            )
        return self


class RunningAttempts(StrEnum):
    """What becomes of running attempts when their agent or site is locked."""

    FINISH = "finish"  # the agent renews and delivers what it holds, and gets nothing new
    CANCEL = "cancel"  # they end at once and are queued for others


class Site(SiteWrite):
    """A place where agents run."""

    name: Name
    team: Name
    created_at: Instant
    trusted: bool = False
    """Leases bring open secrets along, and agents whose link is ``auto`` get a stream."""
    agents: int = 0
    connected: int = 0
    locked_because: str | None = None
    locked_running: RunningAttempts | None = None


class AgentStatus(StrEnum):
    """How the API sees an agent."""

    NEVER_SEEN = "never_seen"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LOCKED = "locked"


class Agent(Message):
    """One agent."""

    agent: Identifier
    name: Name
    site: Name
    team: Name
    status: AgentStatus
    locked_because: str | None = None
    locked_running: RunningAttempts | None = None
    """While it is locked: whether it may finish what it holds."""
    key_thumbprint: str
    """RFC 7638, SHA-256."""
    key_since: Instant | None = None
    version: str | None = None
    host: HostFacts | None = None
    slots: int | None = None
    running: int = 0
    enrolled_at: Instant
    enrolled_from: str | None = None
    last_seen_at: Instant | None = None
    paused_because: list[str] = Field(default_factory=list[str])
    orders: Orders = Orders()
    """What people ordered of it, obeyed or not yet."""
    health: AgentHealth | None = None
    health_at: Instant | None = None
    """When it last said so."""
    policy: PolicyFacts | None = None
    """The site's own policy, as the agent last said."""
    runtimes: list[str] | None = None
    """What kinds of tasks its machine runs (``python``, ``program``, ``container``); none: it was not heard yet."""
    pythons: list[str] | None = None
    """The Pythons there, by version, that environments of tasks can be made with; none: it did not say."""


class LockRequest(Message):
    """``POST /v1/teams/{team}/agents/{agent}/lock``, and the same for a site."""

    reason: Annotated[Text, Field(min_length=1, max_length=500)]
    """Shown to the agent's operator."""
    running: RunningAttempts = RunningAttempts.CANCEL


class EnrolmentTokenRequest(Message):
    """``POST /v1/teams/{team}/sites/{site}/enrolment-tokens``."""

    expires_in_s: Annotated[Seconds, Field(gt=0, le=86400)] = 3600.0
    note: Annotated[Text, Field(max_length=200)] = ""


class KeyRegistrationRequest(Message):
    """``POST /v1/teams/{team}/sites/{site}/preregistrations``: lets in the agent that has a key."""

    thumbprint: Thumbprint
    expires_in_s: Annotated[Seconds, Field(gt=0, le=90 * 86400)] = 7 * 86400.0
    note: Annotated[Text, Field(max_length=200)] = ""


class EnrolmentToken(Message):
    """What lets one agent in, without its secret."""

    id: Identifier
    site: Name
    team: Name
    note: str = ""
    key_thumbprint: str | None = None
    """The only key that it lets in (RFC 7638); none: any."""
    created_by: str
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None = None
    used_by: Identifier | None = None
    used_from: str | None = None
    revoked_at: Instant | None = None


class IssuedEnrolmentToken(EnrolmentToken):
    """The one answer that has the secret."""

    token: str = Field(repr=False)


class ApiTokenRequest(Message):
    """``POST /v1/teams/{team}/api-tokens``: lets a person or program call the API as ``role``."""

    name: Name
    role: Role = Role.AUTHOR
    expires_in_s: Annotated[Seconds, Field(gt=0)] = 90 * 86400.0


class ApiToken(Message):
    """An API token, without its secret."""

    id: Identifier
    name: Name
    team: Name | None = None
    role: Role
    created_by: str
    created_at: Instant
    expires_at: Instant | None = None
    last_used_at: Instant | None = None
    revoked_at: Instant | None = None


class IssuedApiToken(ApiToken):
    """The one answer that has the secret."""

    token: str = Field(repr=False)


class ConnectionWrite(ConnectionFields):
    """``PUT /v1/teams/{team}/connections/{id}``."""

    sites: list[Name] = Field(default_factory=list[Name])
    """The sites that reach it. A task that declares the connection runs only there."""


class ConnectionSummary(Message):
    """A connection without its secrets."""

    id: Name
    team: Name
    conn_type: Name
    host: str | None = None
    login: str | None = None
    port: int | None = None
    schema_: str | None = Field(default=None, alias="schema")
    description: str = ""
    has_password: bool
    extra_keys: list[str] = Field(default_factory=list[str])
    sites: list[Name]
    updated_at: Instant
    updated_by: str


class VariableSummary(Message):
    """A variable. Its value is shown to operators and admins only."""

    key: Key
    team: Name
    value: Json = None
    updated_at: Instant
    updated_by: str
    description: str | None = None


class AgentList(Page):
    """``GET /v1/teams/{team}/agents``."""

    items: list[Agent]


class SiteList(Page):
    """``GET /v1/teams/{team}/sites``."""

    items: list[Site]


class EnrolmentTokenList(Page):
    """``GET /v1/teams/{team}/enrolment-tokens``."""

    items: list[EnrolmentToken]


class ApiTokenList(Page):
    """``GET /v1/teams/{team}/api-tokens``."""

    items: list[ApiToken]


class ConnectionList(Page):
    """``GET /v1/teams/{team}/connections``."""

    items: list[ConnectionSummary]


class VariableList(Page):
    """``GET /v1/teams/{team}/variables``."""

    items: list[VariableSummary]


class TeamList(Page):
    """``GET /v1/teams``."""

    items: list[Team]
