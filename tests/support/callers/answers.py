"""What callers have to be told: the table of right answers, by what a route asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from leasehold_api.http.access import Kind, Requirement
from leasehold_protocol.v1.fleet import Role


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal, exactly; pages have no code but the status."""

    status: int
    code: str


LET_IN = None
"""The route itself answers, whatever it says about a body that fits nothing."""

UNKNOWN = Told(401, "unauthenticated")
PROOF_NEEDED = Told(401, "dpop_required")
WRONG_PROOF = Told(401, "dpop_invalid")
REPLAYED = Told(401, "dpop_replayed")
EXPIRED = Told(401, "token_expired")
LOCKED = Told(403, "agent_locked")
FORBIDDEN = Told(403, "forbidden")
ELSEWHERE = Told(404, "not_found")
LEASE_LOST = Told(409, "lease_lost")
SIGN_IN_FIRST = Told(303, "/sign-in")
NO_FORM = Told(422, "invalid_request")
FOREIGN_FORM = Told(403, "forbidden")
RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a kind of caller has to be told, by what a route asks for."""

    agent: Told | None
    task: Told | None
    people: Told | None = UNKNOWN
    platform: Told | None = UNKNOWN
    team: Told | None = UNKNOWN
    role: Role | None = None
    """Of the team in the path: on ``team`` routes for more than this it is ``FORBIDDEN``."""
    new_work: Told | None = None
    """On agent routes that are closed while finishing, if that is something else."""
    signed_in: Told | None = SIGN_IN_FIRST
    """On pages for who is signed in; they take a browser's session, and no token."""
    form: Told | None = NO_FORM
    """On forms that pages send, once the page lets the browser in."""

    def right(self, needed: Requirement, method: str) -> Told | None:
        """Return the right answer of a route that asks for ``needed``."""
        match needed.kind:
            case Kind.OPEN:
                return LET_IN
            case Kind.PAGE | Kind.SIGNED_IN:
                return self._of_page(needed.kind, method)
            case Kind.AGENT if self.new_work and not needed.while_finishing:
                return self.new_work
            case Kind.AGENT:
                return self.agent
            case Kind.TASK:
                return self.task
            case Kind.PERSON:
                return self.people
            case Kind.PLATFORM_ADMIN:
                return self.platform
            case _ if self.role and needed.role and RANK[self.role] < RANK[needed.role]:
                return FORBIDDEN
            case _:
                return self.team

    def _of_page(self, kind: Kind, method: str) -> Told | None:
        if kind is Kind.SIGNED_IN and self.signed_in is not LET_IN:
            return self.signed_in
        return LET_IN if method == "GET" else self.form


STRANGE = Row(agent=UNKNOWN, task=UNKNOWN)
"""Unknown wherever a credential is asked for."""
BEARER = Row(agent=PROOF_NEEDED, task=PROOF_NEEDED)
OF_AN_AGENT = Row(agent=LET_IN, task=UNKNOWN)
OF_A_TASK = Row(agent=UNKNOWN, task=LET_IN)
PLATFORM_ADMIN = replace(BEARER, people=LET_IN, platform=LET_IN, team=LET_IN)
OF_ANOTHER_TEAM = replace(BEARER, people=LET_IN, platform=FORBIDDEN, team=ELSEWHERE)


def agents_only(told: Told) -> Row:
    """Return the row of an access token that is refused in this way."""
    return replace(OF_AN_AGENT, agent=told)


def tasks_only(told: Told) -> Row:
    """Return the row of a task token that is refused in this way."""
    return replace(OF_A_TASK, task=told)


def people_only(told: Told) -> Row:
    """Return the row of a person's or program's bearer token that is refused in this way."""
    return replace(BEARER, people=told, platform=told, team=told)


def person_of(role: Role) -> Row:
    """Return the row of a person or program that has a role in the team."""
    return replace(BEARER, people=LET_IN, platform=FORBIDDEN, team=LET_IN, role=role)


def proven(row: Row) -> Row:
    """Return the row of the same person, whose token is shown with a proof: agents' and tasks' routes don't know it."""
    return replace(row, agent=UNKNOWN, task=UNKNOWN)
