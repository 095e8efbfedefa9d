"""What the authorization server says about itself, compared with what it does; tokens asked about and ended."""

from __future__ import annotations

import httpx
import pytest

from leasehold_api import clock
from tests.api.test_oauth_devices import ask_to_enter
from tests.api.test_service_clients import Client, make_client
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, JWT_BEARER, Api, on_both_stores
from tests.support.signed_in_people import make_person, post_token, refresh, whoami

METADATA = "/.well-known/oauth-authorization-server"
CLI = {"client_id": "leasehold-cli"}


async def introspect(client: Client, token: str) -> httpx.Response:
    """Ask about a token."""
    return await client.api.client.post("/oauth/introspect", data={"token": token}, auth=(client.id, client.secret))


async def revoke(api: Api, token: str, **form: str) -> httpx.Response:
    """End a token."""
    return await api.client.post("/oauth/revoke", data={"token": token, **CLI, **form})


async def test_every_endpoint_that_is_named_is_there(api: Api) -> None:
    document = (await api.client.get(METADATA)).json()

    assert document["issuer"] == ISSUER
    for name, address in document.items():
        if name.endswith("_endpoint"):
            assert address.startswith(f"{ISSUER}/oauth/")
            method = "GET" if name == "authorization_endpoint" else "POST"
            answer = await api.client.request(
                method, address.removeprefix(ISSUER), data={} if method == "POST" else None
            )
            assert answer.status_code in {303, 400, 401}, (name, answer.text)
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["response_types_supported"] == ["code"]


async def test_exactly_the_grants_that_are_named_are_taken(api: Api) -> None:
    named = (await api.client.get(METADATA)).json()["grant_types_supported"]

    errors = {grant: (await post_token(api, {"grant_type": grant, **CLI})).json()["error"] for grant in named}
    others = [(await post_token(api, {"grant_type": grant})).json()["error"] for grant in ("password", "implicit")]

    assert "unsupported_grant_type" not in errors.values()
    assert others == ["unsupported_grant_type"] * 2


@pytest.mark.parametrize("endpoint", ["token", "revocation", "introspection"])
async def test_exactly_the_ways_to_authenticate_that_are_named_are_taken(api: Api, endpoint: str) -> None:
    document = (await api.client.get(METADATA)).json()
    named = set(document[f"{endpoint}_endpoint_auth_methods_supported"])
    address = document[f"{endpoint}_endpoint"].removeprefix(ISSUER)
    client = await make_client(api)
    form = {"token": "x", "grant_type": "client_credentials"}
    await api.make_site("north")
    agent = await api.enrol("north")
    tries = {
        "client_secret_basic": {"auth": (client.id, client.secret), "data": form},
        "client_secret_post": {"data": {**form, "client_id": client.id, "client_secret": client.secret}},
        "private_key_jwt": {
            "data": {
                **form,
                "client_assertion_type": JWT_BEARER,
                "client_assertion": agent.key.assertion(agent.id, ISSUER),
            },
            "headers": {
                "DPoP": agent.key.proof("POST", ISSUER + address, nonce=api.house.nonces.fresh(now=clock.now()))
            },
        },
        "none": {"data": {**form, **CLI, "grant_type": "refresh_token", "refresh_token": "x"}},
    }

    taken = set()
    for method, request in tries.items():
        answer = await api.client.post(address, **request)  # type: ignore[arg-type]
        if answer.json().get("error") != "invalid_client":
            taken.add(method)

    assert taken == named


@on_both_stores
async def test_a_service_client_learns_about_tokens_of_its_team_only(api: Api) -> None:
    await api.make_team("rivals")
    await api.make_site("north")
    client, agent = await make_client(api, role="viewer"), await api.enrol("north")
    mine, stranger = await make_person(api), await make_person(api, "rival-1", roles={"rivals": "admin"})
    tokens, foreign = await mine.sign_in(), await stranger.sign_in()
    lease, api_token = await api.lease(agent), await api.make_api_token("viewer")

    known = {
        name: (await introspect(client, token)).json()
        for name, token in {
            "person": tokens["access_token"],
            "refresh": tokens["refresh_token"],
            "agent": agent.token,
            "task": lease,
            "api": api_token,
            "foreign": foreign["access_token"],
            "foreign-api": await api.make_api_token("viewer", team="rivals"),
            "platform": api.admin_token,
            "nonsense": "x",
        }.items()
    }

    assert {name for name, answer in known.items() if answer["active"]} == {"person", "refresh", "agent", "task", "api"}
    assert known["person"]["username"] == "operator-1"
    assert known["person"]["scope"] == "viewer author operator"
    assert known["agent"]["cnf"] == {"jkt": agent.key.jkt}
    for name in ("foreign", "foreign-api", "platform", "nonsense"):
        assert known[name] == {"active": False}, "nothing is told about others' tokens"


async def test_an_agent_learns_about_tokens_of_its_team(api: Api) -> None:
    await api.make_site("north")
    agent, api_token = await api.enrol("north"), await api.make_api_token("viewer")
    form = {
        "token": api_token,
        "client_assertion_type": JWT_BEARER,
        "client_assertion": agent.key.assertion(agent.id, ISSUER),
    }

    assert (await api.client.post("/oauth/introspect", data=form)).json()["active"] is True


async def test_strangers_learn_nothing(api: Api) -> None:
    without = await api.client.post("/oauth/introspect", data={"token": api.admin_token})
    public = await api.client.post("/oauth/introspect", data={"token": api.admin_token, **CLI})

    assert without.json()["error"] == public.json()["error"] == "invalid_client"


async def test_a_token_that_ended_is_not_active(api: Api) -> None:
    client, person = await make_client(api), await make_person(api)
    tokens = await person.sign_in()
    await revoke(api, tokens["refresh_token"])

    assert (await introspect(client, tokens["access_token"])).json() == {"active": False}


@on_both_stores
async def test_signing_out_ends_everything_of_the_sign_in(api: Api) -> None:
    person = await make_person(api)
    tokens, other = await person.sign_in(), await person.sign_in()

    revoked = await revoke(api, tokens["refresh_token"])

    assert revoked.status_code == 200
    assert (await whoami(api, tokens)).status_code == 401
    assert (await refresh(api, tokens["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await whoami(api, other)).status_code == 200
    assert len(await api.audited("oauth.token_revoked")) == 1


@on_both_stores
async def test_one_access_token_is_ended_alone(api: Api) -> None:
    person = await make_person(api)
    tokens = await person.sign_in()

    await revoke(api, tokens["access_token"], token_type_hint="refresh_token")

    assert (await whoami(api, tokens)).status_code == 401
    assert (await refresh(api, tokens["refresh_token"])).status_code == 200


async def test_an_agents_tokens_are_ended_by_the_agent(api: Api) -> None:
    await api.make_site("north")
    agent = await api.enrol("north")
    before = await agent.call("POST", "/v1/agent/renewals", json={})
    form = {
        "token": agent.token,
        "client_assertion_type": JWT_BEARER,
        "client_assertion": agent.key.assertion(agent.id, ISSUER),
    }

    others = await revoke(api, agent.token)
    own = await api.client.post("/oauth/revoke", data=form)
    after = await agent.call("POST", "/v1/agent/renewals", json={})

    assert (before.status_code, others.json()["error"], own.status_code) == (200, "invalid_grant", 200)
    assert after.status_code == 401


async def test_whoever_has_an_api_token_can_end_it(api: Api) -> None:
    token = await api.make_api_token("viewer")

    await revoke(api, token)

    assert (await api.as_person("GET", "/v1/whoami", token=token)).status_code == 401


@pytest.mark.parametrize("token", ["x", "lhr_0123456789ab." + "a" * 43, "lht_0123456789ab." + "a" * 43, "a.b.c"])
async def test_what_is_no_token_needs_no_ending(api: Api, token: str) -> None:
    assert (await revoke(api, token)).status_code == 200


async def test_polling_leaves_no_refusals_in_the_audit_trail(api: Api) -> None:
    codes = (await ask_to_enter(api)).json()
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": codes["device_code"], **CLI}

    await post_token(api, form)
    await post_token(api, form)
    await post_token(api, form, headers={"DPoP": AgentKey().proof("POST", f"{ISSUER}/oauth/token")})

    assert await api.audited("token.refused") == []
