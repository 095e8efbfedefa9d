"""Enrolment: a one-time token lets one key in, and every refusal says why."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from leasehold_api import clock
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, on_both_stores

REGISTER = f"{ISSUER}/oauth/register"


@pytest.fixture
async def token(api: Api) -> str:
    """Return an enrolment token for the site north."""
    await api.make_site("north")
    return await api.make_enrolment_token("north")


async def test_a_token_enrols_the_key_that_proves_itself(api: Api, token: str) -> None:
    key = AgentKey()

    answer = await api.ask_enrolment(key, token)

    assert answer.status_code == 201
    body = answer.json()
    assert (body["site"], body["team"], body["client_name"]) == ("north", "default", "north-1")
    assert body["jwks"]["keys"][0]["x"] == key.public_jwk["x"]
    assert "client_secret" not in body
    assert answer.headers["cache-control"] == "no-store"
    assert len(await api.audited("agent.enrolled")) == 1


@on_both_stores
async def test_the_same_key_may_ask_again_and_gets_the_same_answer(api: Api, token: str) -> None:
    key = AgentKey()
    first = await api.ask_enrolment(key, token)

    again = await api.ask_enrolment(key, token)

    assert again.status_code == 201
    assert again.json() == first.json()
    assert len(await api.audited("agent.enrolled")) == 1


async def test_a_second_key_is_refused_and_raises_an_alarm(api: Api, token: str) -> None:
    await api.ask_enrolment(AgentKey(), token)

    thief = await api.ask_enrolment(AgentKey(), token)

    assert thief.status_code == 401
    assert thief.json()["error"] == "invalid_token"
    assert "used before, by another key" in thief.json()["error_description"]
    alarm = (await api.audited("enrolment_token.used_twice"))[0]
    assert alarm.result == "alarm"


async def test_a_second_key_raises_the_alarm_even_with_metadata_that_would_be_refused(api: Api, token: str) -> None:
    await api.ask_enrolment(AgentKey(), token)

    thief = await api.ask_enrolment(AgentKey(), token, client_name="no good name")

    assert thief.json()["error"] == "invalid_token"
    assert len(await api.audited("enrolment_token.used_twice")) == 1


async def test_of_fifty_enrolments_at_once_with_one_token_one_wins(api: Api, token: str) -> None:
    keys = [AgentKey() for _ in range(50)]

    answers = await asyncio.gather(*(api.ask_enrolment(key, token) for key in keys))

    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 49
    agents = (await api.as_person("GET", "/v1/teams/default/agents")).json()["items"]
    assert len(agents) == 1


async def test_a_token_that_nobody_issued_is_unknown(api: Api, token: str) -> None:
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")

    answer = await api.ask_enrolment(AgentKey(), wrong)

    assert answer.status_code == 401
    assert "not known here" in answer.json()["error_description"]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer enr_12.short", "Bearer lht_0123456789ab." + "a" * 43, "Basic eA=="]
)
async def test_a_mistyped_token_is_told_from_an_unknown_one(api: Api, authorization: str) -> None:
    answer = await api.client.post("/oauth/register", headers={"Authorization": authorization}, json={})

    assert answer.status_code == 401
    assert "copied whole" in answer.json()["error_description"]


async def test_an_expired_token_is_refused_except_for_the_key_that_used_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.make_site("north")
    used, unused = [await api.make_enrolment_token("north", expires_in_s=60) for _ in range(2)]
    key = AgentKey()
    await api.ask_enrolment(key, used)
    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)

    again = await api.ask_enrolment(key, used)
    too_late = await api.ask_enrolment(AgentKey(), unused)

    assert again.status_code == 201
    assert too_late.status_code == 401
    assert "has expired" in too_late.json()["error_description"]


async def test_a_revoked_token_is_refused(api: Api, token: str) -> None:
    token_id = token.partition(".")[0]
    revoked = await api.as_person("DELETE", f"/v1/teams/default/enrolment-tokens/{token_id}")

    answer = await api.ask_enrolment(AgentKey(), token)

    assert revoked.status_code == 204
    assert answer.status_code == 401
    assert "revoked" in answer.json()["error_description"]


async def test_a_key_that_is_enrolled_already_does_not_burn_another_token(api: Api, token: str) -> None:
    key = AgentKey()
    await api.ask_enrolment(key, token)
    second = await api.make_enrolment_token("north")

    refused = await api.ask_enrolment(key, second)
    other = await api.ask_enrolment(AgentKey(), second)

    assert refused.status_code == 400
    assert "enrolled already" in refused.json()["error_description"]
    assert other.status_code == 201


async def test_the_proof_must_be_for_this_token(api: Api, token: str) -> None:
    key = AgentKey()
    proof = key.proof("POST", REGISTER, token="enr_another", nonce=api.nonce)

    answer = await api.ask_enrolment(key, token, proof=proof)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_dpop_proof"


async def test_the_registered_key_must_be_the_one_that_proves(api: Api, token: str) -> None:
    key, other = AgentKey(), AgentKey()

    answer = await api.ask_enrolment(key, token, jwks={"keys": [other.public_jwk]})

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"
    assert (await api.ask_enrolment(key, token)).status_code == 201


def _private(key: AgentKey) -> dict[str, Any]:
    return {"jwks": {"keys": [dict(key.key.as_dict(private=True))]}}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"jwks": {"keys": []}}, "exactly one key"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "private key was sent"),
        ({"jwks": {"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}]}}, "P-256"),
        ({"jwks_uri": "https://example.org/keys"}, "jwks_uri is not taken"),
        ({"software_statement": "x.y.z"}, "software_statement is not taken"),
        ({"client_name": "no spaces please"}, "client_name"),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "private_key_jwt"),
        ({"grant_types": ["password"]}, "grant_types"),
    ],
)
async def test_metadata_beyond_one_public_key_is_refused(
    api: Api, token: str, wrong: dict[str, Any], says: str
) -> None:
    answer = await api.ask_enrolment(AgentKey(), token, **wrong)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"
    assert says in answer.json()["error_description"]


async def test_a_private_key_is_refused_and_called_spent(api: Api, token: str) -> None:
    key = AgentKey()

    answer = await api.ask_enrolment(key, token, **_private(key))

    assert "must not be used any more" in answer.json()["error_description"]


async def test_a_body_that_is_not_json_is_refused(api: Api, token: str) -> None:
    key = AgentKey()
    headers = {
        "Authorization": f"Bearer {token}",
        "DPoP": key.proof("POST", REGISTER, token=token, nonce=api.nonce),
        "Content-Type": "application/json",
    }

    answer = await api.client.post("/oauth/register", headers=headers, content=b"[" * 5000)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"


async def test_an_address_that_enrols_without_end_has_to_wait(api: Api) -> None:
    answers = [await api.client.post("/oauth/register") for _ in range(140)]

    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_neither_token_nor_hash_is_in_any_list(api: Api, token: str) -> None:
    answer = await api.as_person("GET", "/v1/teams/default/enrolment-tokens")

    listed = answer.json()["items"][0]
    assert listed["id"] == token.partition(".")[0]
    assert token.partition(".")[2] not in answer.text
    assert "sha256" not in answer.text
