"""Kinds of caller, for walks over every route: how each calls, and what each has to be told.

A new kind is one more ``CallerKind`` in ``KINDS``: a name, what makes its call, and its row of right answers.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from joserfc import jwt
from sqlalchemy import update

from leasehold_api import clock
from leasehold_api.http.access import Kind, Requirement
from leasehold_api.storage import tables
from leasehold_protocol.v1.fleet import Role
from tests.support.agent_key import AgentKey, unsigned_jwt
from tests.support.api_server import ISSUER, Api, EnrolledAgent

Call = Callable[[str, str], Awaitable[httpx.Response]]
"""Calls (method, path) with a body that fits no route."""


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal, exactly."""

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

    def right(self, needed: Requirement) -> Told | None:
        """Return the right answer of a route that asks for ``needed``."""
        match needed.kind:
            case Kind.OPEN:
                return LET_IN
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


RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass
class Cast:
    """One API, and everybody who is needed to make the kinds of caller. Made once for a walk."""

    api: Api
    north: EnrolledAgent
    task_token: str
    locked: dict[str, tuple[EnrolledAgent, str]] = field(default_factory=dict)
    """By what the lock says of running attempts: the agent and a task token of its."""


async def assemble(api: Api) -> Cast:
    """Make the sites, agents and leases."""
    await api.make_site("north")
    north = await api.enrol("north")
    cast = Cast(api=api, north=north, task_token=await api.lease(north, **DECLARED))
    await api.make_team("rivals")
    for running in ("finish", "cancel"):
        agent = await api.enrol("north", name=f"locked-{running}")
        token = await api.lease(agent, instance=f"ti_{running}", **DECLARED)
        lock = f"/v1/teams/default/agents/{agent.id}/lock"
        answer = await api.as_person("POST", lock, json={"reason": "a walk", "running": running})
        assert answer.status_code == 200, answer.text
        # A lock ends access tokens; one that was got since must not do more.
        signed_in = await api.ask_token(agent.key, agent.id)
        agent.token = signed_in.json().get("access_token", agent.token)
        cast.locked[running] = (agent, token)
    return cast


DECLARED: dict[str, Any] = {"variables": ["no-such-thing"], "needs": {"connections": ["no-such-thing"]}}
"""What tasks of the walk declare: the names that the walk puts into every path."""


@dataclass(frozen=True, slots=True)
class CallerKind:
    """One kind of caller."""

    name: str
    make: Callable[[Cast], Awaitable[Call]]
    row: Row

    def __str__(self) -> str:
        """Return the name, for the ids of tests."""
        return self.name


def body_of(method: str) -> dict[str, Any]:
    """Return a body that fits no route."""
    return {"content": b"\x00"} if method in {"PUT", "POST", "PATCH"} else {}


# ── how they call ──


def with_header(value: str | Callable[[Cast], str]) -> Callable[[Cast], Awaitable[Call]]:
    """Make callers that show one ``Authorization`` header, and nothing else."""

    async def make(cast: Cast) -> Call:
        shown = value if isinstance(value, str) else value(cast)

        async def call(method: str, path: str) -> httpx.Response:
            headers = {"Authorization": shown.encode()}
            return await cast.api.client.request(method, path, headers=headers, **body_of(method))

        return call

    return make


async def nobody(cast: Cast) -> Call:
    """Call without any credential."""
    return lambda method, path: cast.api.client.request(method, path, **body_of(method))


def api_token(role: str, team: str = "default", *, spoil: str = "") -> Callable[[Cast], Awaitable[Call]]:
    """Call with an API token; ``spoil`` it first: ``revoked`` or ``expired``."""

    async def make(cast: Cast) -> Call:
        token = await cast.api.make_api_token(role, team=team, name=f"{role}-{spoil or 'good'}")
        row = tables.api_tokens.c.id == token.partition(".")[0]
        values = {"revoked": {"revoked_at": clock.now()}, "expired": {"expires_at": clock.now() - 1}}.get(spoil)
        if values:
            await cast.api.database.write(
                lambda tx: tx.run(update(tables.api_tokens).where(row).values(values)).close()
            )
        return await with_header(f"Bearer {token}")(cast)

    return make


def proving(
    token: Callable[[Cast], tuple[EnrolledAgent, str]],
    *,
    method: str | None = None,
    url: Callable[[str], str] | None = None,
    twice: bool = False,
    key: AgentKey | None = None,
    **proof: Any,
) -> Callable[[Cast], Awaitable[Call]]:
    """Call with a token and a proof of possession, which may be wrong on purpose, or used ``twice``."""

    async def make(cast: Cast) -> Call:
        agent, shown = token(cast)

        async def call(used: str, path: str) -> httpx.Response:
            where = (url or (lambda path: ISSUER + path))(path)
            made = (key or agent.key).proof(method or used, where, token=shown, **proof)
            headers = {"Authorization": f"DPoP {shown}", "DPoP": made}
            if twice:
                await cast.api.client.request(used, path, headers=headers, **body_of(used))
            return await cast.api.client.request(used, path, headers=headers, **body_of(used))

        return call

    return make


def access(cast: Cast) -> tuple[EnrolledAgent, str]:
    """Show north's access token."""
    return cast.north, cast.north.token


def task(cast: Cast) -> tuple[EnrolledAgent, str]:
    """Show a task token of north's."""
    return cast.north, cast.task_token


def changed(token: Callable[[Cast], tuple[EnrolledAgent, str]], typ: str = "at+jwt", **claims: Any) -> Any:
    """Show a token that this server signed, with other claims."""

    def show(cast: Cast) -> tuple[EnrolledAgent, str]:
        agent, right = token(cast)
        keys = cast.api.house.signing_keys
        return agent, keys.sign({"typ": typ}, {**keys.verified(right, typ="at+jwt"), **claims})

    return show


def forged(token: Callable[[Cast], tuple[EnrolledAgent, str]]) -> Any:
    """Show a token with the right claims that the agent signed itself."""

    def show(cast: Cast) -> tuple[EnrolledAgent, str]:
        agent, right = token(cast)
        claims = cast.api.house.signing_keys.verified(right, typ="at+jwt")
        return agent, jwt.encode({"typ": "at+jwt", "alg": "ES256"}, claims, agent.key.key, algorithms=["ES256"])

    return show


def made_by(find: Callable[[Cast], Awaitable[tuple[EnrolledAgent, str]]]) -> Callable[[Cast], Awaitable[Call]]:
    """Call as an agent that has to be made, or changed, for it."""

    async def make(cast: Cast) -> Call:
        found = await find(cast)
        return await proving(lambda _: found)(cast)

    return make


async def rival(cast: Cast) -> tuple[EnrolledAgent, str]:
    """Make an agent of another team."""
    await cast.api.make_site("island", team="rivals")
    agent = await cast.api.enrol("island", team="rivals", name="island-1")
    return agent, agent.token


async def neighbour(cast: Cast) -> tuple[EnrolledAgent, str]:
    """Make an agent of another site."""
    await cast.api.make_site("south")
    agent = await cast.api.enrol("south", name="south-1")
    return agent, agent.token


async def stale(cast: Cast) -> tuple[EnrolledAgent, str]:
    """Make a task whose lease another attempt has by now."""
    token = await cast.api.lease(cast.north, instance="ti_stale", **DECLARED)
    instance = tables.task_instances.c.id == "ti_stale"
    await cast.api.database.write(
        lambda tx: tx.run(update(tables.task_instances).where(instance).values(epoch=2)).close()
    )
    return cast.north, token


async def ended(cast: Cast) -> tuple[EnrolledAgent, str]:
    """Make an agent whose access token was ended: it was locked and unlocked."""
    agent = await cast.api.enrol("north", name="back-again")
    for what in ("lock", "unlock"):
        body = {"json": {"reason": "a walk"}} if what == "lock" else {}
        await cast.api.as_person("POST", f"/v1/teams/default/agents/{agent.id}/{what}", **body)
    return agent, agent.token


async def on_locked_site(cast: Cast) -> tuple[EnrolledAgent, str]:
    """Make an agent whose site is locked."""
    await cast.api.make_site("closed")
    agent = await cast.api.enrol("closed", name="closed-1")
    await cast.api.as_person("POST", "/v1/teams/default/sites/closed/lock", json={"reason": "a walk"})
    return agent, agent.token


def unsigned(cast: Cast) -> str:
    """Show north's claims with ``alg`` none."""
    claims = cast.api.house.signing_keys.verified(cast.north.token, typ="at+jwt")
    return f"DPoP {unsigned_jwt({'typ': 'at+jwt', 'alg': 'none'}, claims)}"


# ── the table ──

STRANGE = Row(agent=UNKNOWN, task=UNKNOWN)
"""Unknown wherever a credential is asked for."""
BEARER = Row(agent=PROOF_NEEDED, task=PROOF_NEEDED)
OF_AN_AGENT = Row(agent=LET_IN, task=UNKNOWN)
OF_A_TASK = Row(agent=UNKNOWN, task=LET_IN)


def agents_only(told: Told) -> Row:
    """Return the row of an access token that is refused in this way."""
    return replace(OF_AN_AGENT, agent=told)


def tasks_only(told: Told) -> Row:
    """Return the row of a task token that is refused in this way."""
    return replace(OF_A_TASK, task=told)


def person_of(role: Role) -> Row:
    """Return the row of an API token of the team."""
    return replace(BEARER, people=LET_IN, platform=FORBIDDEN, team=LET_IN, role=role)


KINDS: list[CallerKind] = [
    CallerKind("nobody", nobody, STRANGE),
    # People and programs.
    *(CallerKind(str(role), api_token(str(role)), person_of(role)) for role in Role),
    CallerKind(
        "another team's admin",
        api_token("admin", "rivals"),
        replace(BEARER, people=LET_IN, platform=FORBIDDEN, team=ELSEWHERE),
    ),
    CallerKind(
        "platform admin",
        with_header(lambda cast: f"Bearer {cast.api.admin_token}"),
        replace(BEARER, people=LET_IN, platform=LET_IN, team=LET_IN),
    ),
    CallerKind("revoked API token", api_token("admin", spoil="revoked"), BEARER),
    CallerKind(
        "expired API token",
        api_token("admin", spoil="expired"),
        replace(BEARER, people=EXPIRED, platform=EXPIRED, team=EXPIRED),
    ),
    CallerKind("API token shown as DPoP", proving(lambda cast: (cast.north, cast.api.admin_token)), STRANGE),
    # Agents.
    CallerKind("agent", proving(access), OF_AN_AGENT),
    CallerKind("another team's agent", made_by(rival), OF_AN_AGENT),
    CallerKind("another site's agent", made_by(neighbour), OF_AN_AGENT),
    CallerKind("expired access token", proving(changed(access, exp=1)), agents_only(EXPIRED)),
    CallerKind("access token for another audience", proving(changed(access, aud="https://evil.example")), STRANGE),
    CallerKind("access token for several audiences", proving(changed(access, aud=[ISSUER, "x"])), STRANGE),
    CallerKind("access token of another issuer", proving(changed(access, iss="https://evil.example")), STRANGE),
    CallerKind("access token of another type", proving(changed(access, typ="JWT")), STRANGE),
    CallerKind("access token without key", proving(changed(access, cnf={})), STRANGE),
    CallerKind("access token signed by the agent", proving(forged(access)), STRANGE),
    CallerKind("access token as bearer", with_header(lambda cast: f"Bearer {cast.north.token}"), BEARER),
    CallerKind(
        "access token without proof", with_header(lambda cast: f"DPoP {cast.north.token}"), agents_only(PROOF_NEEDED)
    ),
    CallerKind("replayed proof", proving(access, twice=True), agents_only(REPLAYED)),
    CallerKind("proof by another key", proving(access, key=AgentKey()), agents_only(WRONG_PROOF)),
    CallerKind("proof for another method", proving(access, method="TRACE"), agents_only(WRONG_PROOF)),
    CallerKind(
        "proof for another route", proving(access, url=lambda path: f"{ISSUER}{path}x"), agents_only(WRONG_PROOF)
    ),
    CallerKind("proof for another token", proving(access, ath="x"), agents_only(WRONG_PROOF)),
    CallerKind("proof of long ago", proving(access, iat=1_000), agents_only(WRONG_PROOF)),
    CallerKind("access token that was ended", made_by(ended), agents_only(UNKNOWN)),
    CallerKind(
        "locked agent that may finish",
        proving(lambda cast: (cast.locked["finish"][0], cast.locked["finish"][0].token)),
        replace(OF_AN_AGENT, new_work=LOCKED),
    ),
    CallerKind(
        "locked agent",
        proving(lambda cast: (cast.locked["cancel"][0], cast.locked["cancel"][0].token)),
        agents_only(LOCKED),
    ),
    CallerKind("agent of a locked site", made_by(on_locked_site), agents_only(LOCKED)),
    # Tasks.
    CallerKind("task", proving(task), OF_A_TASK),
    CallerKind("expired task token", proving(changed(task, exp=1)), tasks_only(EXPIRED)),
    CallerKind("task token for another audience", proving(changed(task, aud=f"{ISSUER}/other")), STRANGE),
    CallerKind("task token as bearer", with_header(lambda cast: f"Bearer {cast.task_token}"), BEARER),
    CallerKind("task token, replayed proof", proving(task, twice=True), tasks_only(REPLAYED)),
    CallerKind("task token, proof by another key", proving(task, key=AgentKey()), tasks_only(WRONG_PROOF)),
    CallerKind("task token signed by the agent", proving(forged(task)), STRANGE),
    CallerKind("task of a stale epoch", made_by(stale), tasks_only(LEASE_LOST)),
    CallerKind("task of a locked agent that may finish", proving(lambda cast: cast.locked["finish"]), OF_A_TASK),
    CallerKind("task of a locked agent", proving(lambda cast: cast.locked["cancel"]), tasks_only(LOCKED)),
    # What is no credential at all.
    CallerKind("alg none", with_header(unsigned), STRANGE),
    CallerKind("empty bearer", with_header("Bearer "), BEARER),
    CallerKind("empty DPoP", with_header("DPoP"), STRANGE),
    CallerKind("basic", with_header("Basic YWRtaW46YWRtaW4="), STRANGE),
    CallerKind("not ASCII", with_header("DPoP é\u202e☃"), STRANGE),
    CallerKind("dots only", with_header("DPoP ..."), STRANGE),
    CallerKind("nested JSON", with_header("DPoP " + "W1tb" * 2000 + ".e30.AA"), STRANGE),
    CallerKind("wrong secret", with_header(lambda cast: f"Bearer {cast.api.admin_token[:-1]}"), BEARER),
    CallerKind("another kind's prefix", with_header(f"Bearer enr_0123456789ab.{'a' * 43}"), BEARER),
    CallerKind("JSON as token", with_header("Bearer " + json.dumps({"role": "admin"})), BEARER),
]
