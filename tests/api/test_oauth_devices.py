"""Devices that a person lets in with a code (RFC 8628): command lines, and new agents."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from leasehold_api import clock
from leasehold_api.oauth.parts.user_codes import ALPHABET, new_user_code, shown, typed
from leasehold_protocol.fingerprint import fingerprint
from tests.support.agent_key import AgentKey
from tests.support.api_server import ISSUER, Api, on_both_stores
from tests.support.signed_in_people import DEVICE, Person, change_user, make_person, post_token, whoami


@pytest.fixture
async def person(api: Api) -> Person:
    """An operator with a browser."""
    return await make_person(api)


async def ask(api: Api, *, key: AgentKey | None = None, **form: str) -> dict[str, Any]:
    """Ask to be let in."""
    answer = await ask_to_enter(api, key=key, **form)
    assert answer.status_code == 200, answer.text
    codes: dict[str, Any] = answer.json()
    return codes


async def ask_to_enter(api: Api, *, key: AgentKey | None = None, **form: str) -> httpx.Response:
    """Ask to be let in, or be refused."""
    url, headers = "/oauth/device_authorization", {}
    if key is not None:
        headers["DPoP"] = key.proof("POST", ISSUER + url, nonce=api.house.nonces.fresh(now=clock.now()))
    return await api.client.post(url, data={"client_id": "leasehold-cli", **form}, headers=headers)


async def poll(api: Api, codes: dict[str, Any], *, key: AgentKey | None = None, **form: str) -> httpx.Response:
    """Ask whether it was let in."""
    fields = {"grant_type": DEVICE, "client_id": "leasehold-cli", "device_code": codes["device_code"], **form}
    return await post_token(api, fields, key=key)


def test_user_codes_are_typed_as_people_type() -> None:
    code = new_user_code()

    assert set(code) <= set(ALPHABET)
    assert typed(shown(code)) == typed(f" {shown(code).lower()} ") == typed(" ".join(code)) == code
    assert typed("") is typed("AEIO-UAEI") is typed(code[:-1]) is typed(code * 20) is None


@on_both_stores
async def test_a_command_line_is_let_in_by_its_code(api: Api) -> None:
    person = await make_person(api)
    codes = await ask(api)
    waiting = await poll(api, codes)

    decided = await person.decide(codes["user_code"].lower().replace("-", ""))
    tokens = (await poll(api, codes)).json()

    assert waiting.json()["error"] == "authorization_pending"
    assert decided.status_code == 200
    assert (await whoami(api, tokens)).json()["name"] == "operator-1"
    assert codes["verification_uri"] == f"{ISSUER}/device"
    assert codes["verification_uri_complete"] == f"{ISSUER}/device?user_code={codes['user_code']}"
    assert (codes["expires_in"], codes["interval"]) == (600, 5)
    [row] = await api.audited("device.approved")
    assert (row.actor, row.object) == ("user:operator-1", "leasehold-cli")


@on_both_stores
async def test_of_fifty_polls_at_once_one_gets_the_tokens(api: Api) -> None:
    person = await make_person(api)
    codes = await ask(api)
    await person.decide(codes["user_code"])

    answers = await asyncio.gather(*(poll(api, codes) for _ in range(50)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 49


async def test_whoever_asks_too_often_is_slowed_down(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    codes, errors = await ask(api), []
    for pause in (0, 5, 4, 9, 10):
        now += pause
        errors.append((await poll(api, codes)).json()["error"])

    pending, slow = "authorization_pending", "slow_down"
    assert errors == [pending, pending, slow, slow, slow]


async def test_a_device_that_is_not_let_in_is_told_so(api: Api, person: Person) -> None:
    codes = await ask(api)

    await person.decide(codes["user_code"], "deny")

    assert (await poll(api, codes)).json()["error"] == "access_denied"
    assert len(await api.audited("device.denied")) == 1


async def test_a_code_ends_after_ten_minutes(api: Api, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = await ask(api)
    later = clock.now() + 600
    monkeypatch.setattr(clock, "now", lambda: later)

    assert (await person.get(f"/device?user_code={codes['user_code']}")).status_code == 404
    assert (await poll(api, codes)).json()["error"] == "expired_token"


async def test_a_code_is_decided_about_once(api: Api, person: Person) -> None:
    codes = await ask(api)
    page = await person.get(f"/device?user_code={codes['user_code']}")
    await person.decide(codes["user_code"], "deny")

    late = await person.decide(codes["user_code"])

    assert page.status_code == 200
    assert late.status_code == 404


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "edge-agent"}, "invalid_grant"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"device_code": "lhd_0123456789ab." + "a" * 43}, "invalid_grant"),
        ({"device_code": ""}, "invalid_request"),
    ],
)
async def test_a_device_code_is_for_who_asked(api: Api, person: Person, form: dict[str, str], error: str) -> None:
    codes = await ask(api)
    await person.decide(codes["user_code"])

    assert (await poll(api, codes, **form)).json()["error"] == error


async def test_codes_can_not_be_guessed_at_speed(person: Person) -> None:
    answers = [await person.get(f"/device?user_code={shown(new_user_code())}") for _ in range(25)]

    assert answers[0].status_code == 404
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_the_page_says_who_asks_from_where_and_when(api: Api, person: Person) -> None:
    codes = await ask(api, client_name="bench <b>1</b>\u202e", scope="viewer")

    page = await person.get(f"/device?user_code={codes['user_code']}")

    for fact in ("bench &lt;b&gt;1&lt;/b&gt;<", "127.0.0.1", "less than a minute ago", "what the role viewer may"):
        assert fact in page.text
    assert "somebody sent you the code, say no" in page.text


@on_both_stores
async def test_an_operator_lets_an_agent_in_at_one_of_their_sites(api: Api) -> None:
    person, key = await make_person(api), AgentKey()
    await api.make_site("north")
    codes = await ask(api, key=key, client_id="edge-agent", scope="enrol", client_name="north-1")
    page = await person.get(f"/device?user_code={codes['user_code']}")

    await person.decide(codes["user_code"], site="default/north")
    answer = (await poll(api, codes, key=key, client_id="edge-agent")).json()

    assert fingerprint(key.jkt) in page.text
    assert "<option>default/north</option>" in page.text
    assert (answer["token_type"], answer["scope"], answer["expires_in"]) == ("DPoP", "enrol", 600)
    assert (await api.ask_enrolment(AgentKey(), answer["access_token"])).status_code == 401
    assert (await api.ask_enrolment(key, answer["access_token"])).status_code == 201
    [row] = await api.audited("enrolment_token.issued")
    assert row.actor == "user:operator-1"


async def test_an_agent_proves_its_key_from_the_beginning(api: Api, person: Person) -> None:
    await api.make_site("north")
    key = AgentKey()
    without = await ask_to_enter(api, client_id="edge-agent")
    codes = await ask(api, key=key, client_id="edge-agent")
    await person.decide(codes["user_code"], site="default/north")

    stolen = await poll(api, codes, key=AgentKey(), client_id="edge-agent")

    assert without.json()["error"] == stolen.json()["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize("site", ["default/nowhere", "rivals/north", "", "default"])
async def test_nobody_lets_an_agent_in_where_they_are_no_operator(api: Api, site: str) -> None:
    await api.make_team("rivals")
    await api.make_site("north", team="rivals")
    await api.make_site("north")
    person = await make_person(api, roles={"default": "operator", "rivals": "author"})
    codes = await ask(api, key=AgentKey(), client_id="edge-agent")

    assert (await person.decide(codes["user_code"], site=site)).status_code == 403


async def test_a_viewer_lets_no_agent_in(api: Api) -> None:
    await api.make_site("north")
    viewer = await make_person(api, roles={"default": "viewer"})
    codes = await ask(api, key=AgentKey(), client_id="edge-agent")

    page = await viewer.get(f"/device?user_code={codes['user_code']}")
    decided = await viewer.decide(codes["user_code"], site="default/north")

    assert "operator of no team with a site" in page.text
    assert decided.status_code == 403


async def test_who_was_locked_after_approving_lets_nobody_in(api: Api, person: Person) -> None:
    codes = await ask(api)
    await person.decide(codes["user_code"])
    await change_user(api, person, locked_at=clock.now(), locked_because="left")

    assert (await poll(api, codes)).json()["error"] == "invalid_grant"


async def test_an_address_that_asks_without_end_has_to_wait(api: Api) -> None:
    answers = [await ask_to_enter(api) for _ in range(35)]

    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
