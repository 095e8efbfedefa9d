"""Applications that people let in with a browser: authorization codes, PKCE, where answers may go."""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import urlencode

import pytest

from leasehold_api import clock
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, on_both_stores
from tests.support.signed_in_people import (
    REDIRECT,
    Person,
    authorization,
    change_user,
    make_person,
    post_token,
    redeem,
    returned,
    whoami,
)

VERIFIER = secrets.token_urlsafe(32)


@pytest.fixture
async def person(api: Api) -> Person:
    """An operator with a browser."""
    return await make_person(api)


@on_both_stores
async def test_a_person_lets_an_application_in_and_it_works_for_them(api: Api) -> None:
    person = await make_person(api)

    tokens = await person.sign_in()
    answer = await whoami(api, tokens)

    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "viewer author operator"
    assert answer.json()["name"] == "operator-1"
    assert answer.json()["kind"] == "user"
    assert answer.json()["roles"] == {"default": "operator"}
    assert [row.actor for row in await api.audited("oauth.signed_in")] == ["user:operator-1"]


async def test_the_page_says_who_asks_for_what_and_where_the_answer_goes(person: Person) -> None:
    page = await person.get(f"/oauth/authorize?{urlencode(authorization(scope='viewer'))}")

    assert page.status_code == 200
    for fact in ("leasehold-cli", "http://127.0.0.1:49152", "what the role viewer may", "operator-1"):
        assert fact in page.text
    assert "form-action 'self' http://127.0.0.1:49152;" in page.headers["content-security-policy"]


async def test_the_answer_names_the_issuer_and_keeps_the_state(person: Person) -> None:
    allowed, denied = await person.authorize(), await person.authorize("deny")

    assert allowed.headers["location"].startswith(REDIRECT + "?")
    assert returned(allowed).keys() == {"code", "state", "iss"}
    assert returned(allowed)["iss"] == ISSUER
    assert returned(denied)["error"] == "access_denied"
    assert returned(denied)["state"] == "kept"
    assert returned(denied)["iss"] == ISSUER


async def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_comes_back(api: Api) -> None:
    sent = await api.client.get(f"/oauth/authorize?{urlencode(authorization())}")

    assert sent.status_code == 303
    assert sent.headers["location"].startswith("/sign-in?next=%2Foauth%2Fauthorize%3F")


async def test_a_consent_that_another_site_sends_is_refused(person: Person) -> None:
    form = {"question": urlencode(authorization()), "answer": "allow", "csrf_token": "guessed"}

    assert (await person.post("/oauth/authorize", form)).status_code == 403


@on_both_stores
async def test_a_code_counts_once_and_a_second_use_ends_what_it_gave(api: Api) -> None:
    person = await make_person(api)
    code = await person.code(VERIFIER)
    first = await redeem(api, code, VERIFIER)

    second = await redeem(api, code, VERIFIER)

    assert first.status_code == 200
    assert second.json()["error"] == "invalid_grant"
    assert (await whoami(api, first.json())).status_code == 401
    assert [row.result for row in await api.audited("oauth.code_reused")] == ["alarm"]


@on_both_stores
async def test_of_twenty_redemptions_at_once_one_wins(api: Api) -> None:
    person = await make_person(api)
    code = await person.code(VERIFIER)

    answers = await asyncio.gather(*(redeem(api, code, VERIFIER) for _ in range(20)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19


async def test_a_code_ends_after_a_minute(api: Api, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    code = await person.code(VERIFIER)
    later = clock.now() + 60
    monkeypatch.setattr(clock, "now", lambda: later)

    assert "expired" in (await redeem(api, code, VERIFIER)).json()["error_description"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "B" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:49153/callback"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"client_id": "edge-agent"}, "unauthorized_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": None}, "invalid_client"),
        ({"code": "lha_0123456789ab." + "a" * 43}, "invalid_grant"),
        ({"client_secret": "guess"}, "invalid_client"),
    ],
)
async def test_a_code_is_bound_to_everything_that_it_was_given_for(
    api: Api, person: Person, changed: dict[str, str | None], error: str
) -> None:
    code, changed = await person.code(VERIFIER), dict(changed)

    refused = await redeem(api, changed.pop("code", code) or "", VERIFIER, **changed)
    taken = await redeem(api, code, VERIFIER)

    assert refused.json()["error"] == error, refused.text
    assert taken.status_code == 200, "a refused attempt must not burn the code"


async def test_a_code_bound_to_a_key_needs_a_proof_by_it(api: Api, person: Person) -> None:
    key = AgentKey()
    code = await person.code(VERIFIER, dpop_jkt=key.jkt)

    without = await redeem(api, code, VERIFIER)
    other = await redeem(api, code, VERIFIER, key=AgentKey())
    right = await redeem(api, code, VERIFIER, key=key)

    assert without.json()["error"] == other.json()["error"] == "invalid_grant"
    assert right.json()["token_type"] == "DPoP"


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:49152@evil.example/callback",
        "http://evil.example/callback",
        "https://127.0.0.1:49152/callback",
        "http://localhost:49152/callback",
        "http://127.0.0.1:49152/callback#here",
        "http://127.0.0.1:49152/callback/../other",
        "http://127.0.0.1:49152/callback?next=evil",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:49152\\@evil.example/callback",
        "http://①27.0.0.1/callback",
        "http://xn--127-0.0.1/callback",
        "//127.0.0.1/callback",
        "javascript:alert(1)",
        "http://127.1/callback",
        "",
    ],
)
async def test_no_trick_leads_an_answer_elsewhere(person: Person, uri: str) -> None:
    page = await person.get(f"/oauth/authorize?{urlencode(authorization(redirect_uri=uri))}")

    assert page.status_code == 422
    assert "location" not in page.headers


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/callback", "http://[::1]:65535/callback", "http://127.0.0.1/"])
async def test_an_answer_goes_to_any_port_of_the_own_machine(person: Person, uri: str) -> None:
    sent = await person.authorize(redirect_uri=uri)

    assert sent.headers["location"].startswith(f"{uri}?code=")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"scope": "emperor"}, "invalid_scope"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://evil.example"}, "request_uri_not_supported"),
        ({"dpop_jkt": "short"}, "invalid_request"),
    ],
)
async def test_an_application_is_told_what_is_wrong_with_its_request(
    person: Person, changed: dict[str, str | None], error: str
) -> None:
    sent = await person.authorize(**changed)

    assert sent.status_code == 303
    assert returned(sent)["error"] == error
    assert returned(sent)["state"] == "kept"
    assert returned(sent)["iss"] == ISSUER


async def test_a_parameter_that_is_there_twice_is_refused(api: Api, person: Person) -> None:
    query = urlencode(authorization())

    twice = await person.get(f"/oauth/authorize?{query}&scope=viewer&scope=admin")
    two_clients = await person.get(f"/oauth/authorize?{query}&client_id=edge-agent")
    form = "grant_type=refresh_token&grant_type=authorization_code&client_id=leasehold-cli"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    posted = await api.client.post("/oauth/token", content=form, headers=headers)

    assert returned(twice)["error"] == "invalid_request"
    assert two_clients.status_code == 422
    assert posted.json()["error"] == "invalid_request"


async def test_a_person_who_was_locked_meanwhile_gets_no_tokens(api: Api, person: Person) -> None:
    code = await person.code(VERIFIER)
    await change_user(api, person, locked_at=clock.now(), locked_because="left the company")

    refused = await redeem(api, code, VERIFIER)

    assert refused.json()["error"] == "invalid_grant"
    assert "left the company" in refused.json()["error_description"]


async def test_a_scope_is_a_ceiling_and_never_more_than_the_person_has(api: Api) -> None:
    admin = await make_person(api, "admin-1", roles={"default": "admin"}, is_platform_admin=True)
    viewer = await make_person(api, "viewer-1", roles={"default": "viewer"})

    everything, narrow = await admin.sign_in(), await admin.sign_in(scope="viewer")
    little = await viewer.sign_in(scope="admin platform")

    assert everything["scope"] == "viewer author operator admin platform"
    assert (await whoami(api, everything)).json()["kind"] == "platform_admin"
    assert (await whoami(api, narrow)).json()["roles"] == {"default": "viewer"}
    assert (await whoami(api, narrow)).json()["kind"] == "user"
    assert little["scope"] == "viewer"
    headers = {"Authorization": f"Bearer {narrow['access_token']}"}
    refused = await api.client.put("/v1/teams/default/sites/north", json={}, headers=headers)
    assert refused.status_code == 403


async def test_two_ways_to_authenticate_at_once_are_refused(api: Api) -> None:
    form = {"grant_type": "client_credentials", "client_id": "svc_1", "client_secret": "a"}

    answer = await post_token(api, form, auth=("svc_1", "a"))

    assert answer.json()["error"] == "invalid_request"
