"""Service clients: programs that sign in with a secret or a key; what they may, and what ends them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from leasehold_api import clock
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, JWT_BEARER, Api, on_both_stores
from tests.support.signed_in_people import post_token, whoami

T = "/v1/teams/default"


@dataclass
class Client:
    """A service client, with its secret."""

    api: Api
    id: str
    secret: str

    async def token(self, *, key: AgentKey | None = None, **form: str) -> httpx.Response:
        """Ask for an access token."""
        fields = {"grant_type": "client_credentials", "client_id": self.id, "client_secret": self.secret, **form}
        return await post_token(self.api, fields, key=key)


async def make_client(api: Api, **write: Any) -> Client:
    """Make a service client."""
    answer = await api.as_person("POST", f"{T}/service-clients", json={"name": "ci", "role": "operator", **write})
    assert answer.status_code == 201, answer.text
    return Client(api=api, id=answer.json()["id"], secret=answer.json()["secret"] or "")


def assertion(client: Client, key: ECKey | RSAKey, *, algorithm: str = "ES256", **changed: Any) -> str:
    """Return a client assertion; none leaves a claim out."""
    now = int(clock.now())
    claims = {
        "iss": client.id,
        "sub": client.id,
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(12),
        **changed,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": algorithm}, kept, key, algorithms=[algorithm])


async def by_assertion(api: Api, text: str) -> httpx.Response:
    """Sign in with an assertion."""
    form = {"grant_type": "client_credentials", "client_assertion_type": JWT_BEARER, "client_assertion": text}
    return await post_token(api, form)


@on_both_stores
async def test_a_service_client_works_in_its_team_with_its_role(api: Api) -> None:
    client = await make_client(api)

    tokens = (await client.token()).json()
    me = await whoami(api, tokens)

    assert (tokens["token_type"], tokens["scope"]) == ("Bearer", "viewer author operator")
    assert "refresh_token" not in tokens
    assert (me.json()["kind"], me.json()["name"], me.json()["roles"]) == (
        "service_client",
        "ci",
        {"default": "operator"},
    )
    [listed] = (await api.as_person("GET", f"{T}/service-clients")).json()["items"]
    assert listed["last_used_at"] is not None
    assert client.secret not in str(listed)


async def test_its_deeds_are_recorded_under_its_name(api: Api) -> None:
    client = await make_client(api)
    tokens = (await client.token()).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    made = await api.client.put(f"{T}/sites/south", json={}, headers=headers)
    refused = await api.client.get(f"{T}/api-tokens", headers=headers)

    assert (made.status_code, refused.status_code) == (201, 403)
    assert (await api.audited("site.created"))[-1].actor == "client:ci"


async def test_the_secret_goes_in_the_header_or_in_the_form(api: Api) -> None:
    client = await make_client(api)
    form = {"grant_type": "client_credentials"}

    basic = await post_token(api, form, auth=(client.id, client.secret))
    wrong = await post_token(api, form, auth=(client.id, "wrong"))
    posted = await post_token(api, {**form, "client_id": client.id, "client_secret": "wrong"})

    assert basic.status_code == 200
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert wrong.headers["www-authenticate"].startswith("Basic")
    assert (posted.status_code, posted.json()["error"]) == (400, "invalid_client")


@pytest.mark.parametrize("algorithm", ["ES256", "PS256", "RS256"])
async def test_a_key_signs_in_without_any_secret(api: Api, algorithm: str) -> None:
    key = ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(2048)
    client = await make_client(api, public_key=key.as_dict(private=False))
    text = assertion(client, key, algorithm=algorithm)

    first, again = await by_assertion(api, text), await by_assertion(api, text)

    assert client.secret == ""
    assert first.status_code == 200, first.text
    assert "used before" in again.json()["error_description"]


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": f"{ISSUER}/oauth/token"},
        {"aud": [ISSUER, "https://evil.example"]},
        {"aud": None},
        {"iss": "somebody"},
        {"exp": None},
        {"exp": 0},
        {"exp": 2**40},
        {"jti": None},
        {"nbf": 2**40},
    ],
)
async def test_an_assertion_is_for_this_server_and_for_now(api: Api, changed: dict[str, Any]) -> None:
    key = ECKey.generate_key("P-256")
    client = await make_client(api, public_key=key.as_dict(private=False))

    assert (await by_assertion(api, assertion(client, key, **changed))).json()["error"] == "invalid_client"


async def test_an_assertion_by_another_key_is_refused(api: Api) -> None:
    client = await make_client(api, public_key=ECKey.generate_key("P-256").as_dict(private=False))

    refused = await by_assertion(api, assertion(client, ECKey.generate_key("P-256")))

    assert refused.json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "key",
    [
        ECKey.generate_key("P-256").as_dict(private=True),
        ECKey.generate_key("P-384").as_dict(private=False),
        {"kty": "RSA", "e": "AQAB", "n": "u" * 171},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {},
    ],
    ids=["private", "other-curve", "short", "symmetric", "no-point", "empty"],
)
async def test_a_key_that_can_not_be_used_is_refused(api: Api, key: dict[str, Any]) -> None:
    answer = await api.as_person("POST", f"{T}/service-clients", json={"name": "ci", "public_key": key})

    assert answer.status_code == 422
    assert str(key.get("d", "nothing")) not in answer.text


@on_both_stores
async def test_a_locked_client_is_out_on_its_very_next_request(api: Api) -> None:
    client = await make_client(api)
    tokens = (await client.token()).json()
    await api.as_person("POST", f"{T}/service-clients/{client.id}/lock", json={"reason": "leaked"})

    used, asked = await whoami(api, tokens), await client.token()
    await api.as_person("POST", f"{T}/service-clients/ci/unlock")

    assert used.status_code == 401
    assert "leaked" in asked.json()["error_description"]
    assert (await whoami(api, tokens)).status_code == 401, "a lock ends the tokens for good"
    assert (await client.token()).status_code == 200


async def test_a_new_secret_ends_the_old_one_and_its_tokens(api: Api) -> None:
    client = await make_client(api)
    tokens = (await client.token()).json()

    changed = await api.as_person("POST", f"{T}/service-clients/ci/secret")

    assert (await whoami(api, tokens)).status_code == 401
    assert (await client.token()).json()["error"] == "invalid_client"
    client.secret = changed.json()["secret"]
    assert (await client.token()).status_code == 200


async def test_a_client_that_was_removed_or_has_expired_is_out(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    removed, short = await make_client(api), await make_client(api, name="short", expires_in_s=60)
    tokens, ending = (await removed.token()).json(), (await short.token()).json()
    await api.as_person("DELETE", f"{T}/service-clients/ci")
    gone = await whoami(api, tokens)
    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)

    assert gone.status_code == (await whoami(api, ending)).status_code == 401
    assert "expired" in (await short.token()).json()["error_description"]


async def test_it_can_ask_for_less_and_never_gets_more(api: Api) -> None:
    client = await make_client(api, role="author")

    assert (await client.token(scope="viewer")).json()["scope"] == "viewer"
    assert (await client.token(scope="admin platform")).json()["scope"] == "viewer author"
    assert (await client.token(scope="emperor")).json()["error"] == "invalid_scope"


async def test_its_token_is_bound_to_the_key_that_it_proves(api: Api) -> None:
    client, key = await make_client(api), AgentKey()

    tokens = (await client.token(key=key)).json()

    assert tokens["token_type"] == "DPoP"
    assert (await whoami(api, tokens, key=key)).status_code == 200
    assert (await whoami(api, tokens | {"token_type": "Bearer"})).json()["code"] == "dpop_required"


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token", "password", ""])
async def test_it_gets_tokens_for_itself_only(api: Api, grant: str) -> None:
    client = await make_client(api)

    answer = await client.token(grant_type=grant, code="x", redirect_uri="http://127.0.0.1/", refresh_token="x")

    assert answer.json()["error"] in {"invalid_client", "unsupported_grant_type", "unauthorized_client"}


async def test_two_clients_of_one_name_are_one_too_many(api: Api) -> None:
    await make_client(api)

    assert (await api.as_person("POST", f"{T}/service-clients", json={"name": "ci"})).status_code == 409
