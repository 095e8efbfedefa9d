"""What the authorization server keeps, as it sees it inside one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from leasehold_api.oauth.kept.generations import Generation
from leasehold_api.oauth.kept.people_store import PeopleStore
from leasehold_protocol.v1.manifest import TaskEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEnrolmentToken:
    """What lets one agent in, without its secret."""

    id: str
    secret_sha256: str | None
    """None: it has no secret, the proof of having its key is enough."""
    site_id: str
    site: str
    team_id: str
    team: str
    expires_at: float
    used_jkt: str | None
    used_by: str | None
    revoked_at: float | None
    bound_jkt: str | None = None
    """The only key that it lets in; none: any."""
    site_is_locked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEnrolment:
    """An enrolment that is issued: a token, a key that is let in without one, or a token for one key only."""

    id: str
    secret_sha256: str | None
    bound_jkt: str | None
    site_id: str
    team_id: str
    created_by: str
    """Who issued it, as the audit trail names people: ``token:NAME``."""
    created_at: float
    expires_at: float
    note: str = ""
    address: str | None = None

    def __post_init__(self) -> None:
        """Refuse one that would let in whoever comes first."""
        if self.secret_sha256 is None and self.bound_jkt is None:
            raise ValueError("an enrolment needs a secret or a key")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolledAgent:
    """An agent as OAuth client."""

    id: str
    name: str
    jkt: str
    public_jwk: dict[str, str]
    site_id: str
    site: str
    team_id: str
    team: str
    token_epoch: int
    generation: Generation | None
    locked_because: str | None
    """None: neither it nor its site is locked."""
    is_finishing: bool = False
    """It is locked, and may bring what it holds to an end."""
    next_jkt: str | None = None
    next_public_jwk: dict[str, str] | None = None
    """The key that it proposed, good as well; its first use retires the other."""

    @property
    def is_handed_over(self) -> bool:
        """The next key is on another machine, which was not heard of yet: only the thumbprint is known."""
        return self.next_jkt is not None and self.next_public_jwk is None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent:
    """An agent that enrols."""

    id: str
    name: str
    jkt: str
    public_jwk: dict[str, str]
    site_id: str
    team_id: str
    version: str | None
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLease:
    """A running task instance, with what its task declared."""

    task_instance: str
    epoch: int
    agent_id: str
    expires_at: float
    run: str
    dag: str
    entry: TaskEntry
    granted_connections: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit trail; never has a secret."""

    at: float
    actor: str
    action: str
    object: str
    result: str
    team_id: str | None = None
    address: str | None = None
    detail: dict[str, Any] | None = None


class AuthorityStore(Protocol):
    """One transaction."""

    @property
    def people(self) -> PeopleStore:
        """The same transaction, as far as people and service clients are concerned."""
        ...

    def enrolment_token(self, token_id: str) -> StoredEnrolmentToken | None:
        """Return an enrolment token by its public id."""
        ...

    def enrolment_for_key(self, jkt: str, *, now: float) -> StoredEnrolmentToken | None:
        """Return the enrolment without secret that is bound to a key: one that is open, or else the newest."""
        ...

    def issue_enrolment(self, enrolment: NewEnrolment) -> None:
        """Issue an enrolment and record it in the audit trail. Who calls checked that ``created_by`` may."""
        ...

    def use_enrolment_token(self, token_id: str, *, jkt: str, agent_id: str, address: str | None, now: float) -> bool:
        """Use the token, if nobody did before and it is neither expired nor revoked; say whether that happened."""
        ...

    def add_agent(self, agent: NewAgent, *, now: float) -> None:
        """Enrol an agent."""
        ...

    def agent(self, agent_id: str) -> EnrolledAgent | None:
        """Return an agent, held against changes by others until the transaction ends."""
        ...

    def agent_with_key(self, jkt: str) -> EnrolledAgent | None:
        """Return the agent that has this key."""
        ...

    def remember_jti(self, jti: str, *, expires_at: float, now: float) -> bool:
        """Remember that an assertion was used; false when it was used before."""
        ...

    def set_generation(self, agent_id: str, generation: Generation) -> None:
        """Remember the newest generation."""
        ...

    def take_over(
        self, agent_id: str, *, jkt: str, public_jwk: dict[str, str], address: str | None, now: float
    ) -> EnrolledAgent:
        """Make the key that the agent was handed over to its only one; nothing happens when it is already."""
        ...

    def promote_key(self, agent_id: str, jkt: str, *, now: float) -> EnrolledAgent:
        """Make the proposed key the agent's only one, and return the agent with it."""
        ...

    def lock_agent(self, agent_id: str, *, because: str, now: float) -> None:
        """Lock the agent and end its access tokens."""
        ...

    def lease(self, task_instance: str, *, epoch: int, agent_id: str) -> HeldLease | None:
        """Return the lease, if it runs at this epoch and this agent holds it."""
        ...

    def audit(self, entry: AuditEntry) -> None:
        """Add a line to the audit trail."""
        ...


class AuthorityStorage(Protocol):
    """Where transactions come from."""

    def transact(self, operation: Callable[[AuthorityStore], T]) -> Awaitable[T]:
        """Run ``operation`` in one transaction and return its answer; it may be run again."""
        ...
