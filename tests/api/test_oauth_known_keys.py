"""Keys that are known beforehand: registered by an operator, or bound to a token. The proof of the key lets in."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from leasehold_api import clock
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, on_both_stores

T = "/v1/teams/default"


async def preregister(
    api: Api, key: AgentKey, *, site: str = "north", code: int = 201, **more: object
) -> httpx.Response:
    answer = await api.as_person("POST", f"{T}/sites/{site}/preregistrations", json={"thumbprint": key.jkt, **more})
    assert answer.status_code == code, answer.text
    return answer


async def ask(api: Api, key: AgentKey) -> httpx.Response:
    """Ask to enrol with nothing but the key."""
    headers = {"DPoP": key.proof("POST", f"{ISSUER}/oauth/register", nonce=api.nonce)}
    return await api.client.post(
        "/oauth/register", headers=headers, json={"client_name": "north-1", "jwks": {"keys": [key.public_jwk]}}
    )


@pytest.fixture
async def key(api: Api) -> AgentKey:
    """Return a key; there is a site north."""
    await api.make_site("north")
    return AgentKey()


@on_both_stores
async def test_a_registered_key_enrols_by_its_proof_alone_and_the_list_says_who_and_from_where(
    api: Api, key: AgentKey
) -> None:
    registered = (await preregister(api, key, note="for the new pump")).json()

    answer = await ask(api, key)

    assert answer.status_code == 201, answer.text
    assert (answer.json()["site"], answer.json()["team"]) == ("north", "default")
    [listed] = (await api.as_person("GET", f"{T}/enrolment-tokens")).json()["items"]
    assert (listed["id"], listed["key_thumbprint"]) == (registered["id"], key.jkt)
    assert (listed["used_by"], listed["used_from"]) == (answer.json()["client_id"], "127.0.0.1")
    assert "token" not in registered
    assert [row.action for row in await api.audited("key.preregistered")] == ["key.preregistered"]


@on_both_stores
async def test_of_fifty_registrations_at_once_with_that_key_one_agent_comes(api: Api, key: AgentKey) -> None:
    await preregister(api, key)

    answers = await asyncio.gather(*(ask(api, key) for _ in range(50)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["client_id"] for answer in answers}) == 1
    assert len(await api.audited("agent.enrolled")) == 1


async def test_an_unknown_key_is_told_how_to_become_known(api: Api, key: AgentKey) -> None:
    answer = await ask(api, key)

    assert (answer.status_code, answer.json()["code"]) == (401, "key_unknown")
    assert f"leasehold agents preregister {key.jkt} --site SITE" in answer.json()["error_description"]
    [row] = await api.audited("enrolment.refused")
    assert row.object == key.jkt


async def test_a_registration_that_was_revoked_or_is_over_says_so(
    api: Api, key: AgentKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked_id = (await preregister(api, key)).json()["id"]
    await api.as_person("DELETE", f"{T}/enrolment-tokens/{revoked_id}")
    revoked = await ask(api, key)
    await preregister(api, key, expires_in_s=60)
    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)

    expired = await ask(api, key)

    assert (revoked.status_code, expired.status_code) == (401, 401)
    assert "revoked" in revoked.json()["error_description"]
    assert "expired" in expired.json()["error_description"]


async def test_a_key_is_registered_once_and_never_when_an_agent_has_it(api: Api, key: AgentKey) -> None:
    first = await preregister(api, key)
    again = await preregister(api, key, code=409)
    await ask(api, key)

    enrolled = await preregister(api, key, code=409)

    assert first.json()["id"] in again.json()["detail"]
    assert "an agent has this key" in enrolled.json()["detail"]


async def test_another_team_can_not_take_a_registered_key_to_its_own_site(api: Api, key: AgentKey) -> None:
    await preregister(api, key)
    await api.make_team("rivals")
    await api.make_site("lair", team="rivals")

    answer = await api.as_person("POST", "/v1/teams/rivals/sites/lair/preregistrations", json={"thumbprint": key.jkt})

    assert answer.status_code == 409
    assert "another team" in answer.json()["detail"]
    assert "enr_" not in answer.text


@pytest.mark.parametrize("thumbprint", ["", "x" * 43 + "=", "A" * 42, "A" * 42 + "B", "A" * 42 + "/", "SHA256:ABCD"])
async def test_a_malformed_thumbprint_is_refused(api: Api, key: AgentKey, thumbprint: str) -> None:
    answer = await api.as_person("POST", f"{T}/sites/north/preregistrations", json={"thumbprint": thumbprint})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "thumbprint"


async def test_the_public_id_of_a_registration_is_no_token(api: Api, key: AgentKey) -> None:
    public_id = (await preregister(api, key)).json()["id"]

    answer = await api.ask_enrolment(AgentKey(), f"{public_id}.{'A' * 43}")

    assert answer.status_code == 401
    assert "not known here" in answer.json()["error_description"]


async def test_a_site_that_is_locked_lets_no_known_key_in(api: Api, key: AgentKey) -> None:
    await preregister(api, key)
    await api.as_person("POST", f"{T}/sites/north/lock", json={"reason": "flooded"})

    assert "is locked" in (await ask(api, key)).json()["error_description"]


async def test_a_key_that_was_replaced_since_enrols_nobody_again(api: Api, key: AgentKey) -> None:
    token = await api.make_enrolment_token("north")
    client_id = (await api.ask_enrolment(key, token)).json()["client_id"]
    access = (await api.ask_token(key, client_id)).json()["access_token"]
    successor = AgentKey()
    url = f"{ISSUER}/v1/agent/key"
    headers = {"Authorization": f"DPoP {access}", "DPoP": key.proof("PUT", url, token=access)}
    await api.client.put("/v1/agent/key", headers=headers, json={"proof": successor.proof("PUT", url, token=access)})
    assertion = successor.assertion(client_id, ISSUER, gen=9)
    assert (await api.ask_token(successor, client_id, assertion=assertion)).status_code == 200

    answer = await api.ask_enrolment(key, token)

    assert answer.status_code == 401
    assert "was replaced since" in answer.json()["error_description"]
