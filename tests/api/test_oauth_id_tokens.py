"""Identity tokens: others can check which task it is, and a task gets only what it declared, while its lease runs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import update

from leasehold_api import clock
from leasehold_api.storage import tables
from tests.support.api_server import ISSUER, Api, EnrolledAgent, on_both_stores

VAULT = "https://vault.example.com"
PATH = "/v1/task/id-token"


async def _ask(agent: EnrolledAgent, token: str, audience: Any = VAULT) -> httpx.Response:
    return await agent.call("POST", PATH, token=token, json={"audience": audience})


@on_both_stores
async def test_a_relying_party_learns_which_task_it_is(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, id_tokens=[VAULT])

    answer = await _ask(north, token)

    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    described = (await api.client.get("/.well-known/openid-configuration")).json()
    keys = KeySet.import_key_set((await api.client.get(described["jwks_uri"].removeprefix(ISSUER))).json())
    seen = jwt.decode(answer.json()["token"], keys, algorithms=described["id_token_signing_alg_values_supported"])
    claims = seen.claims
    assert described["issuer"] == claims["iss"] == ISSUER
    assert seen.header["typ"] == "JWT"
    assert set(claims) == set(described["claims_supported"])
    assert {name: claims[name] for name in ("sub", "aud", "team", "site", "dag", "task", "run", "try")} == {
        "sub": "default:north:sensors-ti_1:extract",
        "aud": VAULT,
        "team": "default",
        "site": "north",
        "dag": "sensors-ti_1",
        "task": "extract",
        "run": "run_ti_1",
        "try": 1,
    }
    assert 0 < claims["exp"] - claims["iat"] <= 600
    assert abs(claims["iat"] - clock.now()) < 60


@on_both_stores
async def test_every_request_is_audited_with_what_it_came_to(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, id_tokens=[VAULT])

    given = await _ask(north, token)
    await _ask(north, token, "sts.example.com")

    lines = await api.audited("id_token.issue")
    seen = {(line.actor, line.object, line.result) for line in lines}
    assert seen == {("task:ti_1.1", VAULT, "given"), ("task:ti_1.1", "sts.example.com", "not_declared")}
    assert given.json()["token"] not in str(lines)


async def test_an_audience_that_was_not_declared_is_refused_with_what_to_add(api: Api, north: EnrolledAgent) -> None:
    token = await api.lease(north, id_tokens=[VAULT])

    answer = await _ask(north, token, VAULT + "/")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_declared")
    assert f"id_tokens=['{VAULT}/']" in answer.json()["detail"]


@on_both_stores
@pytest.mark.parametrize("change", [{"epoch": 2}, {"state": "success"}, {"agent_id": "agt_another"}])
async def test_an_attempt_that_lost_its_lease_is_vouched_for_no_more(
    api: Api, north: EnrolledAgent, change: dict[str, Any]
) -> None:
    token = await api.lease(north, id_tokens=[VAULT])
    statement = update(tables.task_instances).values(**change)
    await api.database.write(lambda tx: tx.run(statement).close())

    answer = await _ask(north, token)

    assert (answer.status_code, answer.json()["code"]) == (409, "lease_lost")


@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/task"])
async def test_no_identity_token_is_for_the_api_itself(api: Api, north: EnrolledAgent, audience: str) -> None:
    token = await api.lease(north, id_tokens=[audience])

    answer = await _ask(north, token, audience)

    assert answer.status_code == 422
    assert "somebody else than this server" in answer.json()["detail"]


async def test_an_identity_token_opens_nothing_here(api: Api, north: EnrolledAgent) -> None:
    issued = (await _ask(north, await api.lease(north, id_tokens=[VAULT]))).json()["token"]

    as_task = await _ask(north, issued)
    as_agent = await north.call("POST", "/v1/agent/renewals", token=issued, json={})

    assert [answer.status_code for answer in (as_task, as_agent)] == [401, 401]


@pytest.mark.parametrize("audience", ["", "two words", 'a"b', "a\\b", "\u00e9", "x" * 256, None, 7, ["a"]])
async def test_what_can_be_no_audience_is_refused(api: Api, north: EnrolledAgent, audience: Any) -> None:
    answer = await _ask(north, await api.lease(north), audience)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
