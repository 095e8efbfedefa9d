"""Service clients as callers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from leasehold_api import clock
from leasehold_api.storage import tables
from leasehold_protocol.v1.fleet import Role
from tests.support.agent_key import AgentKey
from tests.support.callers.answers import BEARER, EXPIRED, OF_ANOTHER_TEAM, PROOF_NEEDED, people_only, person_of, proven
from tests.support.callers.cast import Call, CallerKind, Cast, Make
from tests.support.callers.showing import proving, resigned, with_header
from tests.support.signed_in_people import post_token


async def make_client(cast: Cast, *, team: str = "default") -> tuple[str, str, str]:
    """Make a service client; return its path, its id and its secret."""
    path = f"/v1/teams/{team}/service-clients"
    body = {"name": f"ci-{clock.new_id('n')[-12:]}".lower(), "role": "operator"}
    answer = await cast.api.as_person("POST", path, json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    return f"{path}/{made['id']}", made["id"], made["secret"]


def client(
    what: str = "",
    *,
    team: str = "default",
    claims: dict[str, Any] | None = None,
    values: dict[str, Any] | None = None,
    scope: str | None = None,
) -> Make:
    """Call as a service client; once it has its token do ``what`` to it, or change its row or the token."""

    async def make(cast: Cast) -> Call:
        path, client_id, secret = await make_client(cast, team=team)
        token = await token_of(cast, client_id, secret, scope=scope)
        if what:
            body = {"json": {"reason": "a walk"}} if what == "/lock" else {}
            method = "DELETE" if what == "removed" else "POST"
            answer = await cast.api.as_person(method, path + what.removeprefix("removed"), **body)
            assert answer.is_success, answer.text
        if values:
            row = tables.service_clients.c.id == client_id
            await cast.api.database.write(
                lambda tx: tx.run(update(tables.service_clients).where(row).values(values)).close()
            )
        return await with_header(f"Bearer {resigned(cast, token, **claims) if claims else token}")(cast)

    return make


async def token_of(
    cast: Cast, client_id: str, secret: str, *, scope: str | None = None, key: AgentKey | None = None
) -> str:
    """Get an access token."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answer = await post_token(cast.api, form | ({"scope": scope} if scope else {}), key=key)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def by_secret(cast: Cast) -> Call:
    """Call with the secret itself."""
    _, _, secret = await make_client(cast)
    return await with_header(f"Bearer {secret}")(cast)


class _Program:
    def __init__(self) -> None:
        self.key = AgentKey()


def with_key(*, as_bearer: bool = False) -> Make:
    """Call with a token that is bound to the client's key."""

    async def make(cast: Cast) -> Call:
        program = _Program()
        _, client_id, secret = await make_client(cast)
        token = await token_of(cast, client_id, secret, key=program.key)
        if as_bearer:
            return await with_header(f"Bearer {token}")(cast)
        return await proving(lambda _: (program, token))(cast)

    return make


OPERATOR = person_of(Role.OPERATOR)

SERVICE_CLIENTS: list[CallerKind] = [
    CallerKind("service client", client(), OPERATOR),
    CallerKind("service client's token for a viewer", client(scope="viewer"), person_of(Role.VIEWER)),
    CallerKind("another team's service client", client(team="rivals"), OF_ANOTHER_TEAM),
    CallerKind("locked service client", client("/lock"), BEARER),
    CallerKind("service client with a new secret", client("/secret"), BEARER),
    CallerKind("removed service client", client("removed"), BEARER),
    CallerKind("service client that has expired", client(values={"expires_at": 1.0}), BEARER),
    CallerKind("expired token of a service client", client(claims={"exp": 1}), people_only(EXPIRED)),
    CallerKind("service client's secret as bearer", by_secret, BEARER),
    CallerKind("service client's token with its key", with_key(), proven(OPERATOR)),
    CallerKind("service client's bound token as bearer", with_key(as_bearer=True), people_only(PROOF_NEEDED)),
]
