"""The applications that work for a person are on their start page, and are ended there."""

from __future__ import annotations

from tests.support.api_server import Api, on_both_stores
from tests.support.browser import form_fields
from tests.support.signed_in_people import Person, make_person, refresh, whoami


async def end(person: Person, sign_in: str) -> int:
    """Press the button beside an application."""
    answer = await person.post(f"/sign-ins/{sign_in}/end", form_fields((await person.get("/")).text, "/sign-out"))
    return answer.status_code


async def only_sign_in(api: Api, person: Person) -> str:
    [application] = await api.house.applications.list(person.id, now=0)
    return application.id


@on_both_stores
async def test_the_start_page_lists_them_with_when_and_from_where(api: Api) -> None:
    person = await make_person(api)
    before = await person.get("/")

    await person.sign_in(scope="viewer")
    after = await person.get("/")

    assert "leasehold login http://127.0.0.1:8420" in before.text
    assert "The leasehold command line" in after.text
    assert "from 127.0.0.1" in after.text
    assert "what the role viewer may" in after.text


@on_both_stores
async def test_one_that_is_ended_is_out_on_its_next_request_and_others_stay(api: Api) -> None:
    person = await make_person(api)
    lost = await person.sign_in()
    sign_in = await only_sign_in(api, person)
    kept = await person.sign_in()

    assert await end(person, sign_in) == 303

    assert (await whoami(api, lost)).status_code == 401
    assert (await refresh(api, lost["refresh_token"])).status_code == 400
    assert (await whoami(api, kept)).status_code == 200
    assert (await person.get("/")).text.count("/sign-ins/") == 1
    [row] = await api.audited("oauth.ended")
    assert (row.actor, row.object, row.result, row.address) == ("user:operator-1", sign_in, "done", "127.0.0.1")


@on_both_stores
async def test_nobody_ends_what_works_for_somebody_else(api: Api) -> None:
    person, stranger = await make_person(api), await make_person(api, "operator-2", is_platform_admin=True)
    tokens = await person.sign_in()
    sign_in = await only_sign_in(api, person)

    assert await end(stranger, sign_in) == 303

    assert (await whoami(api, tokens)).status_code == 200
    assert sign_in not in (await stranger.get("/")).text
    assert await api.audited("oauth.ended") == []


async def test_ending_twice_leaves_one_row(api: Api) -> None:
    person = await make_person(api)
    await person.sign_in()
    sign_in = await only_sign_in(api, person)

    for _ in range(2):
        assert await end(person, sign_in) == 303

    assert len(await api.audited("oauth.ended")) == 1


async def test_those_that_are_over_are_not_listed(api: Api) -> None:
    person = await make_person(api)
    await person.sign_in()
    [application] = await api.house.applications.list(person.id, now=0)

    assert await api.house.applications.list(person.id, now=application.expires_at) == []


async def test_ending_everything_ends_them_too(api: Api) -> None:
    person = await make_person(api)
    tokens = await person.sign_in()

    await person.post("/sessions/end-all", form_fields((await person.get("/")).text, "/sessions/end-all"))

    assert (await whoami(api, tokens)).status_code == 401
    assert await api.house.applications.list(person.id, now=0) == []


async def test_a_page_that_is_not_there_is_said_on_a_page(api: Api) -> None:
    typed = await api.client.get("/no-such-page", headers={"Accept": "text/html,*/*"})
    called = await api.client.get("/no-such-page")

    assert (typed.status_code, called.status_code) == (404, 404)
    assert "check the address" in typed.text
    assert typed.headers["content-security-policy"].startswith("default-src 'none'")
    assert called.json()["code"] == "not_found"
