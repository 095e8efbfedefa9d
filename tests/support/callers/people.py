"""People as callers: with API tokens, and signed in with an application that works for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.oauth.people.approvals import Approver
from leasehold_api.storage import tables
from leasehold_protocol.v1.fleet import Role
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api
from tests.support.callers.answers import (
    BEARER,
    EXPIRED,
    OF_ANOTHER_TEAM,
    PLATFORM_ADMIN,
    PROOF_NEEDED,
    REPLAYED,
    STRANGE,
    WRONG_PROOF,
    people_only,
    person_of,
    proven,
)
from tests.support.callers.cast import Call, CallerKind, Cast, Make
from tests.support.callers.showing import proving, resigned, with_header
from tests.support.signed_in_people import Person, change_user, make_person


def api_token(role: str, team: str = "default", *, spoil: str = "") -> Make:
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


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody for whom an application works, with its tokens and its key."""

    person: Person
    tokens: dict[str, Any]
    key: AgentKey


async def sign_in(
    api: Api, *, key: AgentKey | None = None, scope: str | None = None, is_platform_admin: bool = False, **roles: str
) -> SignedIn:
    """Make a person with roles and let an application in for them, through the pages."""
    name = f"user-{clock.new_id('n')[-12:]}".lower()
    person = await make_person(api, name, roles=roles, is_platform_admin=is_platform_admin)
    return SignedIn(person=person, tokens=await person.sign_in(key=key, scope=scope), key=key or AgentKey())


Spoil = Callable[[Api, SignedIn], Awaitable[object]]


def user(spoil: Spoil | None = None, *, claims: dict[str, Any] | None = None, **who: Any) -> Make:
    """Call as a person's application with a bearer token; ``spoil`` what it stands on first, or change its claims."""

    async def make(cast: Cast) -> Call:
        signed_in = await sign_in(cast.api, **who)
        if spoil is not None:
            await spoil(cast.api, signed_in)
        token = signed_in.tokens["access_token"]
        return await with_header(f"Bearer {resigned(cast, token, **claims) if claims else token}")(cast)

    return make


def bound(*, claims: dict[str, Any] | None = None, scheme: str | None = None, **proof: Any) -> Make:
    """Call as an admin's application whose token is bound to its key; with another ``scheme`` without proof."""

    async def make(cast: Cast) -> Call:
        signed_in = await sign_in(cast.api, key=AgentKey(), default="admin")
        token = signed_in.tokens["access_token"]
        shown = resigned(cast, token, **claims) if claims else token
        if scheme is not None:
            return await with_header(f"{scheme} {shown}")(cast)
        return await proving(lambda _: (signed_in, shown), **proof)(cast)

    return make


def refresh_token() -> Make:
    """Call with the refresh token of an admin's application."""

    async def make(cast: Cast) -> Call:
        signed_in = await sign_in(cast.api, default="admin")
        return await with_header(f"Bearer {signed_in.tokens['refresh_token']}")(cast)

    return make


async def locked(api: Api, one: SignedIn) -> None:
    """Lock the person."""
    await change_user(api, one.person, locked_at=clock.now(), locked_because="a walk")


async def removed(api: Api, one: SignedIn) -> None:
    """Remove the person."""
    await api.as_person("DELETE", f"/v1/users/{one.person.name}")


async def sign_in_ended(api: Api, one: SignedIn) -> None:
    """End the application on the person's start page."""
    by = Approver(user_id=one.person.id, address=None, now=clock.now())
    [application] = await api.house.applications.list(one.person.id, now=clock.now())
    assert await api.house.applications.end(application.id, by)


async def everything_ended(api: Api, one: SignedIn) -> None:
    """End everything that is signed in as the person."""
    await api.house.people.users.end_everything(one.person.id, by=By(actor="test", at=clock.now()))


async def role_taken(api: Api, one: SignedIn) -> None:
    """Take the person's role in the team."""
    answer = await api.as_person("DELETE", f"/v1/teams/default/members/{one.person.name}")
    assert answer.is_success, answer.text


ADMIN = person_of(Role.ADMIN)

API_TOKENS: list[CallerKind] = [
    *(CallerKind(str(role), api_token(str(role)), person_of(role)) for role in Role),
    CallerKind(
        "another team's admin",
        api_token("admin", "rivals"),
        OF_ANOTHER_TEAM,
    ),
    CallerKind(
        "platform admin",
        with_header(lambda cast: f"Bearer {cast.api.admin_token}"),
        PLATFORM_ADMIN,
    ),
    CallerKind("revoked API token", api_token("admin", spoil="revoked"), BEARER),
    CallerKind(
        "expired API token",
        api_token("admin", spoil="expired"),
        people_only(EXPIRED),
    ),
    CallerKind("API token shown as DPoP", proving(lambda cast: (cast.north, cast.api.admin_token)), STRANGE),
]

USERS: list[CallerKind] = [
    *(CallerKind(f"user who is {role}", user(default=str(role)), person_of(role)) for role in Role),
    CallerKind("user of two teams", user(default="viewer", rivals="admin"), person_of(Role.VIEWER)),
    CallerKind("user of another team", user(rivals="admin"), OF_ANOTHER_TEAM),
    CallerKind("user without any role", user(), OF_ANOTHER_TEAM),
    CallerKind("user who is a platform admin", user(is_platform_admin=True), PLATFORM_ADMIN),
    CallerKind("an admin's token for a viewer", user(default="admin", scope="viewer"), person_of(Role.VIEWER)),
    # A ceiling is no role: under it nothing is left of what a platform admin may.
    CallerKind("a platform admin's token for less", user(is_platform_admin=True, scope="admin"), OF_ANOTHER_TEAM),
    CallerKind("a viewer's token that asked for all", user(default="viewer", scope="platform"), person_of(Role.VIEWER)),
    CallerKind("locked user", user(locked, default="admin"), BEARER),
    CallerKind("removed user", user(removed, default="admin"), BEARER),
    CallerKind("user whose sign-in was ended", user(sign_in_ended, default="admin"), BEARER),
    CallerKind("user who ended everything", user(everything_ended, default="admin"), BEARER),
    CallerKind("user whose role was taken", user(role_taken, default="admin"), OF_ANOTHER_TEAM),
    CallerKind("expired user token", user(claims={"exp": 1}, default="admin"), people_only(EXPIRED)),
    CallerKind("user token for the agents' audience", user(claims={"aud": ISSUER}, default="admin"), BEARER),
    CallerKind("user token of another issuer", user(claims={"iss": "https://evil.example"}, default="admin"), BEARER),
    CallerKind("user token of another sign-in", user(claims={"sid": "sin_none"}, default="admin"), BEARER),
    CallerKind("user token that says to be another's", user(claims={"sub": "usr_none"}, default="admin"), BEARER),
    CallerKind("refresh token as bearer", refresh_token(), BEARER),
    CallerKind("user token with its key", bound(), proven(ADMIN)),
    CallerKind("user token with its key, replayed proof", bound(twice=True), proven(people_only(REPLAYED))),
    CallerKind("user token, proof by another key", bound(key=AgentKey()), proven(people_only(WRONG_PROOF))),
    CallerKind("user token, proof for another token", bound(ath="x"), proven(people_only(WRONG_PROOF))),
    CallerKind("bound user token without proof", bound(scheme="DPoP"), proven(people_only(PROOF_NEEDED))),
    CallerKind("bound user token as bearer", bound(scheme="Bearer"), people_only(PROOF_NEEDED)),
    CallerKind("bound user token for the agents' audience", bound(claims={"aud": ISSUER}), STRANGE),
]
