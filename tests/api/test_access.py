"""What each credential needs to be, one by one; ``test_access_walk`` walks all routes with all kinds of caller."""

from __future__ import annotations

import re
import secrets

import pytest
from fastapi import APIRouter, Depends, FastAPI
from joserfc import jwt

from leasehold_api import clock
from leasehold_api.app import make_app
from leasehold_api.http.access import ACCESS, Kind, agent_caller, in_team
from leasehold_api.http.access_check import check_every_route_is_listed
from leasehold_protocol.v1.fleet import Role
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, EnrolledAgent

RENEWALS = "/v1/agent/renewals"


UNDESCRIBED = {("GET", "/v1/openapi.json"), ("GET", "/static/{name}")}
"""Open routes that are not in the OpenAPI document."""


def test_the_table_and_the_app_name_the_same_routes() -> None:
    app = make_app()

    paths = {(method.upper(), path) for path, item in app.openapi()["paths"].items() for method in item}
    table = {(method, re.sub(r":path\}", "}", path)) for method, path in ACCESS}
    assert paths <= table
    assert {route for route in table - paths if ACCESS[route].kind not in {Kind.PAGE, Kind.SIGNED_IN}} <= UNDESCRIBED


def test_an_app_with_a_route_that_is_not_listed_does_not_start() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    router = APIRouter(prefix="/v1")
    router.add_api_route("/back-door", lambda: None, methods=["GET"])
    app.include_router(router)

    with pytest.raises(RuntimeError, match="GET /v1/back-door is not in the table"):
        check_every_route_is_listed(app)


@pytest.mark.parametrize("dependency", [agent_caller, in_team(Role.VIEWER), None])
def test_an_app_whose_route_enforces_something_else_does_not_start(dependency: object) -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    dependencies = [Depends(dependency)] if dependency else []  # type: ignore[arg-type]  # any dependency will do
    app.add_api_route("/v1/teams/{team}/sites/{site}", lambda: None, methods=["PUT"], dependencies=dependencies)

    with pytest.raises(RuntimeError, match=r"needs team operator but enforces"):
        check_every_route_is_listed(app)


async def test_a_bearer_token_is_refused_where_a_proof_is_needed(north: EnrolledAgent) -> None:
    answer = await north.api.client.post(RENEWALS, headers={"Authorization": f"Bearer {north.token}"}, json={})

    assert answer.status_code == 401
    assert answer.json()["code"] == "dpop_required"
    assert answer.headers["www-authenticate"].startswith("DPoP")


async def test_a_token_without_proof_is_refused(north: EnrolledAgent) -> None:
    answer = await north.api.client.post(RENEWALS, headers={"Authorization": f"DPoP {north.token}"}, json={})

    assert answer.json()["code"] == "dpop_required"


async def test_two_proofs_are_refused(north: EnrolledAgent) -> None:
    proofs = [("DPoP", north.key.proof("POST", ISSUER + RENEWALS, token=north.token)) for _ in range(2)]
    headers = [("Authorization", f"DPoP {north.token}"), *proofs]

    answer = await north.api.client.post(RENEWALS, headers=headers, json={})

    assert answer.json()["code"] == "dpop_invalid"


async def test_a_proof_by_another_key_is_refused(north: EnrolledAgent) -> None:
    thief = AgentKey()
    headers = {"DPoP": thief.proof("POST", ISSUER + RENEWALS, token=north.token)}

    answer = await north.call("POST", RENEWALS, json={}, headers=headers)

    assert answer.status_code == 401
    assert answer.json()["code"] == "dpop_invalid"


async def test_a_proof_counts_once(north: EnrolledAgent) -> None:
    headers = {"DPoP": north.key.proof("POST", ISSUER + RENEWALS, token=north.token)}
    first = await north.call("POST", RENEWALS, json={}, headers=headers)

    replay = await north.call("POST", RENEWALS, json={}, headers=headers)

    assert first.status_code == 200
    assert replay.status_code == 401
    assert replay.json()["code"] == "dpop_replayed"


async def test_a_proof_for_the_host_header_is_not_one_for_this_server(north: EnrolledAgent) -> None:
    proof = north.key.proof("POST", "http://evil.example" + RENEWALS, token=north.token)

    answer = await north.call("POST", RENEWALS, json={}, headers={"DPoP": proof, "Host": "evil.example"})

    assert answer.json()["code"] == "dpop_invalid"
    assert "LEASEHOLD_API_PUBLIC_URL" in answer.json()["detail"]


async def test_an_expired_token_says_so(north: EnrolledAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    later = clock.now() + 601
    monkeypatch.setattr(clock, "now", lambda: later)

    answer = await north.call("POST", RENEWALS, json={})

    assert answer.status_code == 401
    assert answer.json()["code"] == "token_expired"


async def test_a_locked_agent_is_refused_on_its_next_request(north: EnrolledAgent) -> None:
    before = await north.call("POST", RENEWALS, json={})
    await north.api.as_person("POST", f"/v1/teams/default/agents/{north.id}/lock", json={"reason": "a test"})

    after = await north.call("POST", RENEWALS, json={})

    assert before.status_code == 200
    assert after.status_code == 403
    assert after.json()["code"] == "agent_locked"


async def test_a_locked_agents_task_tokens_end_with_it(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, variables=["limit"])
    await api.as_person("POST", f"/v1/teams/default/agents/{north.id}/lock", json={"reason": "a test"})

    answer = await north.call("GET", "/v1/task/variables/limit", token=token)

    assert answer.json()["code"] == "agent_locked"


async def test_a_token_signed_by_somebody_else_is_refused(api: Api, north: EnrolledAgent) -> None:
    claims = api.house.signing_keys.verified(north.token, typ="at+jwt")
    forged = jwt.encode({"typ": "at+jwt", "alg": "ES256"}, claims, north.key.key, algorithms=["ES256"])

    answer = await north.call("POST", RENEWALS, token=forged, json={})

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


async def test_a_token_of_another_type_is_refused(api: Api, north: EnrolledAgent) -> None:
    claims = api.house.signing_keys.verified(north.token, typ="at+jwt")
    other = api.house.signing_keys.sign({"typ": "JWT"}, claims)

    assert (await north.call("POST", RENEWALS, token=other, json={})).status_code == 401


@pytest.mark.parametrize("wrong", [{"aud": "https://evil.example"}, {"aud": [ISSUER]}, {"iss": "https://evil.example"}])
async def test_a_token_for_another_audience_is_refused(
    api: Api, north: EnrolledAgent, wrong: dict[str, object]
) -> None:
    claims = api.house.signing_keys.verified(north.token, typ="at+jwt")
    other = api.house.signing_keys.sign({"typ": "at+jwt"}, {**claims, **wrong})

    assert (await north.call("POST", RENEWALS, token=other, json={})).status_code == 401


async def test_an_api_token_is_refused_from_the_moment_it_is_revoked(api: Api) -> None:
    token = await api.make_api_token("viewer")
    before = await api.as_person("GET", "/v1/whoami", token=token)
    await api.as_person("DELETE", f"/v1/teams/default/api-tokens/{token.partition('.')[0]}")

    after = await api.as_person("GET", "/v1/whoami", token=token)

    assert before.json() | {"expires_at": None} == {
        "name": "viewer-1",
        "kind": "api_token",
        "role": "viewer",
        "team": "default",
        "roles": {"default": "viewer"},
        "expires_at": None,
    }
    assert after.status_code == 401
    assert "revoked" in after.json()["detail"]


async def test_an_api_token_expires(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await api.make_api_token("viewer", expires_in_s=60)
    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)

    answer = await api.as_person("GET", "/v1/whoami", token=token)

    assert answer.json()["code"] == "token_expired"


@pytest.mark.parametrize(
    "token", ["", "x", "lht_short.x", "enr_0123456789ab." + "a" * 43, "lht_0123456789ab." + "a" * 43]
)
async def test_what_is_no_api_token_is_refused(api: Api, token: str) -> None:
    answer = await api.client.get("/v1/whoami", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


async def test_the_right_id_with_a_wrong_secret_is_refused(api: Api) -> None:
    token = api.admin_token.partition(".")[0] + "." + secrets.token_urlsafe(32)

    assert (await api.as_person("GET", "/v1/whoami", token=token)).status_code == 401


async def test_no_credential_is_ever_in_an_answer_or_a_log(
    api: Api, north: EnrolledAgent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    thief = AgentKey()
    answers = [
        await north.call("POST", RENEWALS, json={}),
        await north.call("POST", RENEWALS, json={}, headers={"DPoP": "wrong"}),
        await api.as_person("GET", "/v1/teams/default/agents"),
        await api.as_person("GET", "/v1/teams/default/api-tokens"),
        await api.ask_token(thief, north.id),
        await api.as_person("GET", "/v1/teams/other/agents"),
    ]

    everything = "".join(answer.text for answer in answers) + caplog.text
    for secret in (north.token, api.admin_token, api.admin_token.partition(".")[2]):
        assert secret not in everything
