"""What an agent and the API say when the agent starts, and how both see it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from leasehold_protocol.v1.health import AgentHealth
from leasehold_protocol.v1.leases import AttemptId, Control
from leasehold_protocol.v1.message import Identifier, Instant, Labels, Message, Name, Seconds, Text, Thumbprint
from leasehold_protocol.v1.orders import Orders


class HostFacts(Message):
    """The machine an agent runs on, for people to look at; never used as identity."""

    hostname: str
    os: str
    arch: str
    cpus: int
    memory_bytes: int | None = None
    python: str


class AttemptState(StrEnum):
    """An attempt directory as the agent found it."""

    RUNNING = "running"  # its host is alive (the lock is held)
    ENDED = "ended"  # there is an ending
    LOST = "lost"  # neither


class AttemptOnDisk(Message):
    """One attempt directory at a site."""

    attempt: AttemptId
    state: AttemptState


class PolicyFacts(Message):
    """The coarse facts of the policy that a site's owner keeps there. The centre can't change it."""

    fingerprint: Annotated[Text, Field(max_length=200)] | None = None
    """Tells one policy from another; none while it can't be used."""
    problem: Annotated[Text, Field(max_length=1000)] | None = None
    """Why it can't be used: then nothing may run there."""
    slots: int | None = None
    hours_open: bool | None = None
    """Whether it is in its working hours; none when it has none."""
    hours_until: Instant | None = None
    """Until when that stays so."""


PythonVersion = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$")]


class Hello(Message):
    """``POST /v1/agent/hello``: who is here, and what it still has."""

    agent_version: str
    protocol_min: int
    protocol_max: int
    slots: Annotated[int, Field(ge=1, le=1024)]
    labels: Labels = Field(default_factory=dict[str, str])
    """What the agent claims; the server decides which of them count."""
    runtimes: list[Name] = Field(default_factory=list[Name])
    """What kinds of tasks it can run: facts of its machine, which count as they are."""
    pythons: Annotated[list[PythonVersion], Field(max_length=100)] | None = None
    """The Pythons that tasks may have there. None: the agent is too old to say."""
    host: HostFacts
    attempts: Annotated[list[AttemptOnDisk], Field(max_length=20_000)] = Field(default_factory=list[AttemptOnDisk])
    names_all: bool = True
    """False: there are more on its disk than one greeting names; a lease that is not named says nothing."""
    asked_at: Instant | None = None
    """When this was said, by the server's clock as the agent knows it. A lease from well before it that ``attempts``
    does not name never arrived; one from after it says nothing: the request was held up on its way."""
    paused_because: list[str] = Field(default_factory=list[str])
    """Why the agent takes no new leases at the moment; empty when it does."""
    health: AgentHealth | None = None
    policy: PolicyFacts | None = None
    """The site's own policy, where there is one."""


class AttemptVerdict(StrEnum):
    """What an agent shall do with an attempt it still has."""

    KEEP = "keep"  # running, and its lease is good: renew it
    DELIVER = "deliver"  # ended: send the outcome
    DISCARD = "discard"  # nothing the API could use; stop it if it runs, then remove it


class AttemptInstruction(Message):
    """The verdict on one attempt directory."""

    attempt: AttemptId
    verdict: AttemptVerdict


class Intervals(Message):
    """Owned by the server, so that a fleet can be slowed down or sped up from one place."""

    poll_wait_s: Seconds = 50.0
    renew_every_s: Seconds = 20.0
    log_every_s: Seconds = 1.0
    """How long a running task's log may wait before it is sent."""
    rotate_key_every_s: Seconds = 30 * 86400.0
    """The age at which an agent makes itself a new key."""


class HelloAnswer(Message):
    """What the server made of it."""

    agent: Identifier
    agent_name: Name
    site: Name
    team: Name
    protocol: int
    api_version: str
    slots: int
    """What the agent may use at most: its own wish under the site's ceiling."""
    labels: Labels
    intervals: Intervals = Intervals()
    attempts: list[AttemptInstruction] = Field(default_factory=list[AttemptInstruction])
    control: list[Control] = Field(default_factory=list[Control])
    trusted: bool = False
    """The site is trusted: leases bring what tasks declared along, and come on a stream unless the site wants not."""
    orders: Orders | None = None
    """What is ordered of this agent. None: the API knows no orders, and no leases may be asked for with no slots."""


class KeyProposal(Message):
    """``PUT /v1/agent/key``: the agent's next key. The request itself is proved with the key it replaces."""

    proof: Annotated[str, Field(min_length=1, max_length=4096)]
    """A DPoP proof for this very request and access token (RFC 9449, 4.2), made with the new key, which it carries."""


class AgentKeys(Message):
    """The keys that open the API to an agent, as RFC 7638 thumbprints."""

    current: str
    proposed: str | None = None
    """Good as well; its first use at the token endpoint retires ``current``."""


class HandOver(Message):
    """``POST /v1/agent/handover``: the key on another machine that takes this agent over."""

    thumbprint: Thumbprint


class AgentRegistration(Message):
    """``POST /oauth/register`` (RFC 7591) as an agent sends it: one public key, proved by the DPoP header."""

    client_name: Name
    jwks: dict[str, list[dict[str, str]]]
    """``{"keys": [<one P-256 public key>]}``."""
    token_endpoint_auth_method: str = "private_key_jwt"  # noqa: S105 - a method
    grant_types: list[str] = Field(default_factory=lambda: ["client_credentials"])
    software_id: str = "leasehold-agent"
    software_version: str | None = None


class RegisteredAgent(Message):
    """The answer to a registration."""

    client_id: Identifier
    client_name: Name
    site: Name
    team: Name
    jwks: dict[str, list[dict[str, str]]]
    token_endpoint_auth_method: str = "private_key_jwt"  # noqa: S105 - a method
    grant_types: list[str] = Field(default_factory=list[str])
