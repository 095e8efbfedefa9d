"""People for tests: in the database with roles, signed in with a browser, and applications that work for them."""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from sqlalchemy import insert, select

from leasehold_api import clock
from leasehold_api.people.sessions import Method, NewSession, new_secret
from leasehold_api.storage import tables
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api

REDIRECT = "http://127.0.0.1:49152/callback"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_URL = f"{ISSUER}/oauth/token"
_FIELD = re.compile(r'name="(?P<name>[^"]+)" value="(?P<value>[^"]*)"')


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Person:
    """Somebody with a browser."""

    api: Api
    id: str
    name: str
    cookie: str = field(repr=False)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """Open a page."""
        return await self.api.client.get(path, headers={"Cookie": f"leasehold={self.cookie}"}, **more)

    async def post(self, path: str, form: dict[str, str], **more: Any) -> httpx.Response:
        """Send a form."""
        headers = {"Cookie": f"leasehold={self.cookie}", "Sec-Fetch-Site": "same-origin"}
        return await self.api.client.post(path, data=form, headers=headers, **more)

    async def authorize(self, answer: str = "allow", **changed: str | None) -> httpx.Response:
        """Go through the consent page; return the redirect."""
        asked = await self.get(f"/oauth/authorize?{urlencode(authorization(**changed))}")
        if asked.status_code != 200:
            return asked
        return await self.post("/oauth/authorize", fields_of(asked) | {"answer": answer})

    async def code(self, verifier: str, **changed: str | None) -> str:
        """Return an authorization code."""
        sent = await self.authorize(code_challenge=challenge_of(verifier), **changed)
        assert sent.status_code == 303, sent.text
        return returned(sent)["code"]

    async def decide(self, user_code: str, answer: str = "allow", **more: str) -> httpx.Response:
        """Type the code of a device and decide."""
        asked = await self.get(f"/device?user_code={user_code}")
        if asked.status_code != 200:
            return asked
        return await self.post("/device", fields_of(asked) | {"answer": answer, **more})

    async def sign_in(self, *, key: AgentKey | None = None, **changed: str | None) -> dict[str, Any]:
        """Let an application in; return its tokens."""
        verifier = secrets.token_urlsafe(32)
        answer = await redeem(self.api, await self.code(verifier, **changed), verifier, key=key)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens


def authorization(**changed: str | None) -> dict[str, str]:
    """Return the parameters of an authorization request; none leaves one out."""
    right: dict[str, str | None] = {
        "response_type": "code",
        "client_id": "leasehold-cli",
        "redirect_uri": REDIRECT,
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
        "state": "kept",
    }
    return {name: value for name, value in (right | changed).items() if value is not None}


def fields_of(page: httpx.Response) -> dict[str, str]:
    """Return the hidden fields of a page's form for ``method=post``."""
    form = page.text[page.text.rindex('<form method="post"') :]
    hidden = {found["name"]: found["value"].replace("&amp;", "&") for found in _FIELD.finditer(form)}
    hidden.pop("answer", None)
    return hidden


def returned(sent: httpx.Response) -> dict[str, str]:
    """Return what a redirect brings to the application."""
    return dict(parse_qsl(urlsplit(sent.headers["location"]).query))


async def post_token(api: Api, form: dict[str, str], *, key: AgentKey | None = None, **more: Any) -> httpx.Response:
    """Ask the token endpoint; with a key, with a proof (and the nonce it takes)."""
    headers = dict(more.pop("headers", {}))
    if key is not None:
        headers["DPoP"] = key.proof("POST", TOKEN_URL, nonce=api.house.nonces.fresh(now=clock.now()))
    return await api.client.post("/oauth/token", data=form, headers=headers, **more)


async def redeem(
    api: Api, code: str, verifier: str, *, key: AgentKey | None = None, **changed: str | None
) -> httpx.Response:
    """Redeem a code as the command line does."""
    right: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "client_id": "leasehold-cli",
        "code": code,
        "redirect_uri": REDIRECT,
        "code_verifier": verifier,
    }
    form = {name: value for name, value in (right | changed).items() if value is not None}
    return await post_token(api, form, key=key)


async def refresh(api: Api, token: str, *, key: AgentKey | None = None, **more: str) -> httpx.Response:
    """Use a refresh token."""
    form = {"grant_type": "refresh_token", "client_id": "leasehold-cli", "refresh_token": token, **more}
    return await post_token(api, form, key=key)


async def whoami(api: Api, tokens: dict[str, Any], *, key: AgentKey | None = None) -> httpx.Response:
    """Call the API with an access token."""
    token = tokens["access_token"]
    headers = {"Authorization": f"{tokens['token_type']} {token}"}
    if key is not None:
        headers["DPoP"] = key.proof("GET", f"{ISSUER}/v1/whoami", token=token)
    return await api.client.get("/v1/whoami", headers=headers)


async def make_person(
    api: Api, name: str = "operator-1", *, roles: dict[str, str] | None = None, is_platform_admin: bool = False
) -> Person:
    """Put a person with roles into the database, signed in with a browser."""
    user_id, now, secret = clock.new_id("usr"), clock.now(), new_secret()
    user = {
        "id": user_id,
        "name": name,
        "is_platform_admin": is_platform_admin,
        "token_epoch": 0,
        "created_at": now,
        "created_by": "test",
    }
    found = await api.read(lambda connection: connection.execute(select(tables.teams)).all())
    team_ids = {row.name: row.id for row in found}
    held = [
        {"user_id": user_id, "team_id": team_ids[team], "origin": "granted", "role": role}
        for team, role in (roles if roles is not None else {"default": "operator"}).items()
    ]
    await api.database.write(lambda tx: tx.run(insert(tables.users), user).close())
    for row in held:
        await api.database.write(lambda tx, row=row: tx.run(insert(tables.memberships), row).close())  # type: ignore[misc]
    session = NewSession(
        id=clock.new_id("ses"),
        secret=secret,
        user_id=user_id,
        method=Method.PASSWORD,
        at=now,
        address="127.0.0.1",
        user_agent=None,
    )
    await api.house.people.sessions.begin(session)
    return Person(api=api, id=user_id, name=name, cookie=secret.text)


async def change_user(api: Api, person: Person, **values: Any) -> None:
    """Change a person's row."""
    statement = tables.users.update().where(tables.users.c.id == person.id).values(**values)
    await api.database.write(lambda tx: tx.run(statement).close())
