"""Agents and tasks as callers: as they should be, and with everything that can be wrong about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from joserfc import jwt
from sqlalchemy import update

from leasehold_api.storage import tables
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, EnrolledAgent
from tests.support.callers.answers import (
    BEARER,
    EXPIRED,
    LEASE_LOST,
    LOCKED,
    OF_A_TASK,
    OF_AN_AGENT,
    PROOF_NEEDED,
    REPLAYED,
    STRANGE,
    UNKNOWN,
    WRONG_PROOF,
    agents_only,
    tasks_only,
)
from tests.support.callers.cast import DECLARED, Call, CallerKind, Cast, Make
from tests.support.callers.showing import proving, resigned, with_header


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
        return agent, resigned(cast, right, typ, **claims)

    return show


def forged(token: Callable[[Cast], tuple[EnrolledAgent, str]]) -> Any:
    """Show a token with the right claims that the agent signed itself."""

    def show(cast: Cast) -> tuple[EnrolledAgent, str]:
        agent, right = token(cast)
        claims = cast.api.house.signing_keys.verified(right, typ="at+jwt")
        return agent, jwt.encode({"typ": "at+jwt", "alg": "ES256"}, claims, agent.key.key, algorithms=["ES256"])

    return show


def made_by(find: Callable[[Cast], Awaitable[tuple[EnrolledAgent, str]]]) -> Make:
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


AGENTS: list[CallerKind] = [
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
    CallerKind("access token for people's audience", proving(changed(access, aud=f"{ISSUER}/people")), STRANGE),
]

TASKS: list[CallerKind] = [
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
    CallerKind("task token for people's audience", proving(changed(task, aud=f"{ISSUER}/people")), STRANGE),
]
