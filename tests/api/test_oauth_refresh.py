"""Sign-ins of applications: refresh tokens, keys they are bound to, and what ends them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from leasehold_api import clock
from leasehold_api.oauth.kept.refreshing import RefreshToken, Use, judge_use
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, on_both_stores
from tests.support.signed_in_people import Person, change_user, make_person, refresh, whoami


@pytest.fixture
async def person(api: Api) -> Person:
    """An operator with a browser."""
    return await make_person(api)


@pytest.mark.parametrize(
    ("stored", "use"),
    [
        ({}, Use.FIRST),
        ({"expires_at": 1000.0}, Use.EXPIRED),
        ({"used_at": 990.0, "has_successor": True}, Use.AGAIN),
        ({"used_at": 939.0, "has_successor": True}, Use.STOLEN),
        ({"used_at": 990.0, "has_successor": True, "successor_used_at": 995.0}, Use.STOLEN),
        ({"used_at": 990.0}, Use.STOLEN),
    ],
)
def test_what_the_use_of_a_refresh_token_means(stored: dict[str, Any], use: Use) -> None:
    fresh: dict[str, Any] = {"used_at": None, "successor_used_at": None, "has_successor": False, "expires_at": 2000.0}
    token = RefreshToken(id="lhr_1", secret_sha256="", sign_in_id="sin_1", **(fresh | stored))

    assert judge_use(token, now=1000.0) is use


@on_both_stores
async def test_a_refresh_token_counts_once_and_theft_ends_the_sign_in(api: Api) -> None:
    person = await make_person(api)
    first = await person.sign_in()
    second = (await refresh(api, first["refresh_token"])).json()
    third = (await refresh(api, second["refresh_token"])).json()

    stolen = await refresh(api, first["refresh_token"])

    assert stolen.json()["error"] == "invalid_grant"
    assert (await refresh(api, third["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await whoami(api, third)).status_code == 401
    [row] = await api.audited("oauth.refresh_token_reused")
    assert (row.actor, row.result) == ("user:operator-1", "alarm")


@on_both_stores
async def test_an_answer_that_got_lost_is_given_again_for_a_minute(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await make_person(api)
    first = await person.sign_in()
    lost = (await refresh(api, first["refresh_token"])).json()

    again = await refresh(api, first["refresh_token"])
    goes_on = await refresh(api, again.json()["refresh_token"])
    late = await refresh(api, lost["refresh_token"])

    assert again.status_code == goes_on.status_code == 200
    assert late.json()["error"] == "invalid_grant", "the one that was lost is void"
    assert "ended" in (await refresh(api, goes_on.json()["refresh_token"])).json()["error_description"]


async def test_after_a_minute_an_answer_is_not_given_again(
    api: Api, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await person.sign_in()
    await refresh(api, first["refresh_token"])
    later = clock.now() + 61
    monkeypatch.setattr(clock, "now", lambda: later)

    assert (await refresh(api, first["refresh_token"])).json()["error"] == "invalid_grant"


@on_both_stores
async def test_of_refreshes_at_once_none_ends_the_sign_in_and_one_token_is_left(api: Api) -> None:
    person = await make_person(api)
    first = await person.sign_in()

    answers = await asyncio.gather(*(refresh(api, first["refresh_token"]) for _ in range(5)))
    used = [(await refresh(api, answer.json()["refresh_token"])).status_code for answer in reversed(answers)]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert used.count(200) <= 1


async def test_a_refresh_token_that_is_not_used_for_thirty_days_ends(
    api: Api, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = await person.sign_in()
    later = clock.now() + 30 * 86400 + 1
    monkeypatch.setattr(clock, "now", lambda: later)

    refused = await refresh(api, tokens["refresh_token"])

    assert "30 days" in refused.json()["error_description"]


async def test_a_refresh_gets_less_when_it_asks_and_never_more(api: Api, person: Person) -> None:
    tokens = await person.sign_in(scope="author")

    less = (await refresh(api, tokens["refresh_token"], scope="viewer")).json()
    more = await refresh(api, less["refresh_token"], scope="operator")

    assert less["scope"] == "viewer"
    assert more.json()["error"] == "invalid_scope"


async def test_a_token_bound_to_a_key_needs_a_proof_on_every_use(api: Api, person: Person) -> None:
    key = AgentKey()
    tokens = await person.sign_in(key=key)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}

    as_bearer = await api.client.get("/v1/whoami", headers=bearer)
    without = await api.client.get("/v1/whoami", headers={"Authorization": f"DPoP {tokens['access_token']}"})
    other = await whoami(api, tokens, key=AgentKey())
    right = await whoami(api, tokens, key=key)

    assert tokens["token_type"] == "DPoP"
    assert as_bearer.json()["code"] == without.json()["code"] == "dpop_required"
    assert other.json()["code"] == "dpop_invalid"
    assert right.status_code == 200
    assert (await refresh(api, tokens["refresh_token"])).json()["error"] == "invalid_dpop_proof"
    assert (await refresh(api, tokens["refresh_token"], key=AgentKey())).json()["error"] == "invalid_dpop_proof"
    assert (await refresh(api, tokens["refresh_token"], key=key)).json()["token_type"] == "DPoP"


async def test_a_bearer_token_is_no_dpop_token(api: Api, person: Person) -> None:
    tokens = await person.sign_in()
    key = AgentKey()

    assert (await whoami(api, tokens | {"token_type": "DPoP"}, key=key)).status_code == 401


async def test_a_proof_at_a_refresh_binds_what_follows(api: Api, person: Person) -> None:
    key, tokens = AgentKey(), await person.sign_in()

    bound = (await refresh(api, tokens["refresh_token"], key=key)).json()

    assert bound["token_type"] == "DPoP"
    assert (await refresh(api, bound["refresh_token"])).json()["error"] == "invalid_dpop_proof"


async def test_a_locked_person_is_out_on_the_very_next_request(api: Api, person: Person) -> None:
    tokens = await person.sign_in()
    before = await whoami(api, tokens)
    await change_user(api, person, locked_at=clock.now(), locked_because="left the company")

    after, refreshed = await whoami(api, tokens), await refresh(api, tokens["refresh_token"])

    assert before.status_code == 200
    assert after.status_code == 401
    assert "left the company" in after.json()["detail"]
    assert "left the company" in refreshed.json()["error_description"]


async def test_ending_everything_of_a_person_ends_sign_ins(api: Api, person: Person) -> None:
    tokens = await person.sign_in()
    await change_user(api, person, token_epoch=1)

    assert (await whoami(api, tokens)).status_code == 401
    assert (await refresh(api, tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_role_that_was_taken_away_is_gone_at_once(api: Api, person: Person) -> None:
    tokens = await person.sign_in()
    await api.as_person("POST", "/v1/teams", json={"name": "rivals"})
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    own = await api.client.get("/v1/teams/default/sites", headers=headers)
    foreign = await api.client.get("/v1/teams/rivals/sites", headers=headers)

    assert (own.status_code, foreign.status_code) == (200, 404)


async def test_an_access_token_ends_after_ten_minutes(
    api: Api, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = await person.sign_in()
    later = clock.now() + 601
    monkeypatch.setattr(clock, "now", lambda: later)

    assert (await whoami(api, tokens)).json()["code"] == "token_expired"


async def test_an_agents_token_is_no_persons_and_the_reverse(api: Api, person: Person) -> None:
    await api.make_site("north")
    agent = await api.enrol("north")
    tokens = await person.sign_in(key=agent.key)

    as_person = await agent.call("GET", "/v1/whoami")
    as_agent = await agent.call("POST", "/v1/agent/renewals", token=tokens["access_token"], json={})

    assert (as_person.status_code, as_agent.status_code) == (401, 401)
    assert tokens["access_token"].count(".") == 2
    claims = api.house.signing_keys.verified(tokens["access_token"], typ="at+jwt")
    assert claims["aud"] == f"{ISSUER}/people"
    assert {"iss", "sub", "client_id", "jti", "sid", "scope", "epoch", "iat", "exp", "cnf"} <= claims.keys()
