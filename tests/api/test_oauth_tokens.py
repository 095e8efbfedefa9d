"""The token endpoint: who gets an access token, who is refused, and how a clone is found."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from leasehold_api import clock
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, JWT_BEARER, Api, EnrolledAgent, on_both_stores

TOKEN = f"{ISSUER}/oauth/token"


async def test_an_agent_gets_a_token_that_is_bound_to_its_key(api: Api, north: EnrolledAgent) -> None:
    answer = await api.ask_token(north.key, north.id)

    body = answer.json()
    keys = KeySet.import_key_set((await api.client.get("/oauth/jwks.json")).json())
    token = jwt.decode(body["access_token"], keys, algorithms=["ES256"])
    assert (body["token_type"], body["expires_in"]) == ("DPoP", 600)
    assert token.header["typ"] == "at+jwt"
    assert token.claims["cnf"] == {"jkt": north.key.jkt}
    assert token.claims["exp"] - token.claims["iat"] == 600
    assert (token.claims["site"], token.claims["team"]) == ("north", "default")
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("header", "claims", "says"),
    [
        ({"typ": "JWT"}, {}, "typ must be"),
        ({"kid": "another"}, {}, "kid must be"),
        ({}, {"aud": f"{ISSUER}/oauth/token"}, "aud must be the issuer"),
        ({}, {"aud": [ISSUER, "https://evil.example"]}, "aud must be the issuer"),
        ({}, {"iss": "somebody"}, "iss and sub"),
        ({}, {"jti": None}, "jti is missing"),
        ({}, {"gen": None}, "gen is missing"),
        ({}, {"gen": True}, "gen is missing"),
        ({}, {"gen": 0}, "gen is missing"),
        ({}, {"iat": None}, "iat is missing"),
        ({}, {"exp": 4_000_000_000}, "at most 60 s"),
        ({}, {"iat": 1_000, "exp": 1_060}, "this server's clock"),
    ],
)
async def test_an_assertion_must_be_exactly_right(
    api: Api, north: EnrolledAgent, header: dict[str, Any], claims: dict[str, Any], says: str
) -> None:
    assertion = north.key.assertion(north.id, ISSUER, header=header, **claims)

    answer = await api.ask_token(north.key, north.id, assertion=assertion)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client"
    assert says in answer.json()["error_description"]


async def test_an_assertion_by_another_key_is_refused(api: Api, north: EnrolledAgent) -> None:
    thief = AgentKey()
    assertion = thief.assertion(north.id, ISSUER, header={"kid": north.key.jkt})

    answer = await api.ask_token(thief, north.id, assertion=assertion)

    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize("assertion", ["", "x", "a.b.c", "é", "e30.e30.", "e30." + "WyI" * 3000 + ".x"])
async def test_an_assertion_that_is_no_jwt_is_refused(api: Api, north: EnrolledAgent, assertion: str) -> None:
    form = {"client_assertion": assertion}

    answer = await api.ask_token(north.key, north.id, **form)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client"


async def test_an_unknown_agent_is_told_to_enrol(api: Api) -> None:
    answer = await api.ask_token(AgentKey(), "agt_gone")

    assert "enrol it with a new enrolment token" in answer.json()["error_description"]


async def test_the_proof_must_be_by_the_enrolled_key(api: Api, north: EnrolledAgent) -> None:
    proof = AgentKey().proof("POST", TOKEN, nonce=api.nonce)

    answer = await api.ask_token(north.key, north.id, proof=proof)

    assert answer.json()["error"] == "invalid_dpop_proof"


async def test_a_request_without_proof_is_refused(api: Api, north: EnrolledAgent) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": JWT_BEARER,
        "client_assertion": north.key.assertion(north.id, ISSUER),
    }

    answer = await api.client.post("/oauth/token", data=form)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize("grant_type", ["refresh_token", "authorization_code"])
async def test_grants_of_people_are_not_for_agents(api: Api, north: EnrolledAgent, grant_type: str) -> None:
    answer = await api.ask_token(north.key, north.id, grant_type=grant_type)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize("grant_type", ["password", ""])
async def test_other_grants_are_not_supported(api: Api, north: EnrolledAgent, grant_type: str) -> None:
    answer = await api.ask_token(north.key, north.id, grant_type=grant_type)

    assert answer.json()["error"] == "unsupported_grant_type"


async def test_a_parameter_twice_is_refused(api: Api, north: EnrolledAgent) -> None:
    answer = await api.client.post(
        "/oauth/token",
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "DPoP": north.key.proof("POST", TOKEN, nonce=north.api.nonce),
        },
        content="grant_type=client_credentials&grant_type=password",
    )

    assert answer.json()["error"] == "invalid_request"


async def test_a_replayed_assertion_is_only_refused(api: Api, north: EnrolledAgent) -> None:
    assertion = north.key.assertion(north.id, ISSUER)
    first = await api.ask_token(north.key, north.id, assertion=assertion)

    replay = await api.ask_token(north.key, north.id, assertion=assertion)

    assert first.status_code == 200
    assert replay.status_code == 400
    assert "used before" in replay.json()["error_description"]
    assert (await api.ask_token(north.key, north.id)).status_code == 200
    assert len(await api.audited("agent.assertion_replayed")) == 1


@on_both_stores
async def test_a_generation_used_by_two_locks_the_agent_and_ends_its_tokens(api: Api, north: EnrolledAgent) -> None:
    await api.ask_token(north.key, north.id, assertion=north.key.assertion(north.id, ISSUER, gen=7))

    clone = await api.ask_token(north.key, north.id, assertion=north.key.assertion(north.id, ISSUER, gen=7))

    assert clone.json()["code"] == "agent_locked"
    genuine = await north.call("POST", "/v1/agent/renewals", json={})
    assert genuine.status_code == 403
    assert genuine.json()["code"] == "agent_locked"
    agent = (await api.as_person("GET", f"/v1/teams/default/agents/{north.id}")).json()
    assert agent["status"] == "locked"
    assert "two agents use its key" in agent["locked_because"]
    assert len(await api.audited("agent.clone_detected")) == 1


async def test_a_lower_generation_made_later_locks_the_agent(
    api: Api, north: EnrolledAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.ask_token(north.key, north.id, assertion=north.key.assertion(north.id, ISSUER, gen=9))
    later = clock.now() + 5
    monkeypatch.setattr(clock, "now", lambda: later)

    clone = await api.ask_token(north.key, north.id, assertion=north.key.assertion(north.id, ISSUER, gen=8))

    assert clone.json()["code"] == "agent_locked"


async def test_a_lower_generation_that_was_overtaken_is_only_refused(api: Api, north: EnrolledAgent) -> None:
    slow = north.key.assertion(north.id, ISSUER, gen=8, iat=int(clock.now()) - 5)
    await api.ask_token(north.key, north.id, assertion=north.key.assertion(north.id, ISSUER, gen=9))

    overtaken = await api.ask_token(north.key, north.id, assertion=slow)

    assert overtaken.status_code == 400
    assert "code" not in overtaken.json()
    assert (await north.call("POST", "/v1/agent/renewals", json={})).status_code == 200


async def test_a_locked_agent_gets_no_token_until_it_is_unlocked(api: Api, north: EnrolledAgent) -> None:
    path = f"/v1/teams/default/agents/{north.id}"
    await api.as_person("POST", f"{path}/lock", json={"reason": "stolen from the van"})

    locked = await api.ask_token(north.key, north.id)
    await api.as_person("POST", f"{path}/unlock")
    unlocked = await api.ask_token(north.key, north.id)

    assert locked.json()["error"] == "invalid_client"
    assert locked.json()["code"] == "agent_locked"
    assert "stolen from the van" in locked.json()["error_description"]
    assert unlocked.status_code == 200


async def test_the_old_token_does_not_come_back_with_the_unlocking(api: Api, north: EnrolledAgent) -> None:
    path = f"/v1/teams/default/agents/{north.id}"
    await api.as_person("POST", f"{path}/lock", json={"reason": "a test"})
    await api.as_person("POST", f"{path}/unlock")

    old = await north.call("POST", "/v1/agent/renewals", json={})
    await north.sign_in()
    new = await north.call("POST", "/v1/agent/renewals", json={})

    assert old.status_code == 401
    assert new.status_code == 200


async def _exchange(api: Api, agent: EnrolledAgent, attempt: str, **form: str) -> Any:
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": agent.token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "resource": f"{ISSUER}/leases/{attempt}",
        **form,
    }
    return await api.ask_token(agent.key, agent.id, **fields)


@on_both_stores
async def test_an_agent_exchanges_its_token_for_one_of_a_lease_it_holds(api: Api, north: EnrolledAgent) -> None:
    connection = {"conn_type": "sqlite", "sites": ["north"]}
    await api.as_person("PUT", "/v1/teams/default/connections/plant_db", json=connection)
    await api.lease(north, needs={"connections": ["plant_db", "other"]}, variables=["limit"], upstream=["first"])

    answer = await _exchange(api, north, "ti_1.1")

    assert answer.status_code == 200, answer.text
    claims = api.house.signing_keys.verified(answer.json()["access_token"], typ="at+jwt")
    assert claims["aud"] == f"{ISSUER}/task"
    assert claims["act"] == {"sub": north.id}
    assert claims["scope"].split() == [
        "connection:plant_db:read",
        "variable:limit:read",
        "variable:limit:write",
        "xcom:first:read",
    ]
    assert 0 < answer.json()["expires_in"] <= 300


async def test_a_task_token_ends_with_its_lease(api: Api, north: EnrolledAgent) -> None:
    await api.lease(north, lease_s=40)

    answer = await _exchange(api, north, "ti_1.1")

    assert 30 <= answer.json()["expires_in"] <= 40


@pytest.mark.parametrize("attempt", ["ti_1.2", "ti_2.1", "ti_1.0"])
async def test_a_lease_that_is_not_held_gives_no_token(api: Api, north: EnrolledAgent, attempt: str) -> None:
    await api.lease(north)

    answer = await _exchange(api, north, attempt)

    assert answer.json()["error"] == "invalid_grant"
    assert answer.json()["code"] == "lease_lost"


async def test_another_agents_lease_gives_no_token(api: Api, north: EnrolledAgent) -> None:
    await api.lease(north)
    south = await api.enrol("north", name="north-2")

    answer = await _exchange(api, south, "ti_1.1")

    assert answer.json()["code"] == "lease_lost"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"subject_token": "x.y.z"}, "invalid_grant"),
        ({"subject_token": ""}, "invalid_grant"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"resource": "https://evil.example/leases/ti_1.1"}, "invalid_target"),
        ({"resource": f"{ISSUER}/leases/ti_1"}, "invalid_target"),
    ],
)
async def test_an_exchange_must_be_exactly_right(
    api: Api, north: EnrolledAgent, form: dict[str, str], error: str
) -> None:
    await api.lease(north)

    answer = await _exchange(api, north, "ti_1.1", **form)

    assert answer.status_code == 400
    assert answer.json()["error"] == error


async def test_another_agents_access_token_can_not_be_exchanged(api: Api, north: EnrolledAgent) -> None:
    await api.lease(north)
    other = await api.enrol("north", name="north-2")

    answer = await _exchange(api, north, "ti_1.1", subject_token=other.token)

    assert answer.json()["error"] == "invalid_grant"


async def test_the_keys_are_published_without_their_private_part(api: Api) -> None:
    answer = await api.client.get("/oauth/jwks.json")

    (key,) = answer.json()["keys"]
    assert {"kty", "crv", "x", "y", "kid", "alg", "use"} <= key.keys()
    assert "d" not in key
    assert answer.headers["cache-control"] == "public, max-age=300"


async def test_the_server_describes_itself_by_its_public_url(api: Api) -> None:
    answer = await api.client.get("/.well-known/oauth-authorization-server", headers={"Host": "evil.example"})

    body = answer.json()
    assert body["issuer"] == ISSUER
    assert body["token_endpoint"] == TOKEN
    assert body["dpop_signing_alg_values_supported"] == ["ES256"]


async def test_signing_keys_rotate_without_a_gap(api: Api, north: EnrolledAgent) -> None:
    keys, now = api.house.signing_keys, clock.now()
    before = keys.sign({"typ": "test"}, {"sub": secrets.token_hex(4)})

    await keys.rotate(now=now)
    published = len(keys.jwks()["keys"])
    await keys.rotate(now=now + 60)
    still = keys.sign({"typ": "test"}, {"sub": "x"})
    await keys.rotate(now=now + 901)
    after = keys.sign({"typ": "test"}, {"sub": "x"})

    assert published == 2
    kids = [keys_of_token(token) for token in (before, still, after)]
    assert kids[0] == kids[1] != kids[2]
    assert keys.verified(before, typ="test")
    await keys.refresh(now=now + 901 + 1801)
    assert len(keys.jwks()["keys"]) == 1


def keys_of_token(token: str) -> str:
    """Return the id of the key that signed a token."""
    from joserfc import jws

    return str(jws.extract_compact(token.encode()).headers()["kid"])
