"""One-time links, passwords and sessions: who gets in, for how long, and who does not."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update
from typer.testing import CliRunner

from leasehold_api import clock
from leasehold_api.cli import app as command
from leasehold_api.errors import UnavailableError
from leasehold_api.opaque_tokens import parse
from leasehold_api.people.passwords import MOST_WAITING, THREADS, Passwords, problem_with
from leasehold_api.people.sessions import Method, NewSession, new_secret
from leasehold_api.storage import tables
from tests.api.conftest import Opener
from tests.support.api_server import Api, on_both_stores, open_api
from tests.support.browser import PASSWORD, browser_at, invite, person

HOUR = 3600.0


def at(monkeypatch: pytest.MonkeyPatch, moment: float) -> None:
    """Let it be another time."""
    monkeypatch.setattr(clock, "now", lambda: moment)


@on_both_stores
async def test_of_fifty_uses_of_one_link_at_once_one_gets_in(api: Api) -> None:
    code = parse((await invite(api)).rpartition("#")[2], "lnk")
    assert code is not None
    local = api.house.people.local
    link = await local.open_link(code, now=clock.now())
    assert link is not None

    async def use(number: int) -> bool:
        session = NewSession(
            id=f"ses_{number}",
            secret=new_secret(),
            user_id=link.user_id,
            method=Method.LINK,
            at=clock.now(),
            address=None,
            user_agent=None,
        )
        return await local.redeem(code, password_hash=f"hash {number}", session=session)

    assert sum(await asyncio.gather(*map(use, range(50)))) == 1
    assert len(await api.audited("password.set")) == 1
    assert len(await api.read(lambda c: c.execute(select(tables.browser_sessions)).all())) == 1


async def test_a_used_link_and_one_that_was_replaced_open_nothing(api: Api) -> None:
    used = await invite(api)
    await browser_at(api.app).redeem(used)
    replaced = (await api.as_person("POST", "/v1/users/author-1/reset")).json()["link"]
    newest = (await api.as_person("POST", "/v1/users/author-1/reset")).json()["link"]

    for link in (used, replaced, "lnk_0123456789ab." + "A" * 43, "rubbish", newest[:-1] + "_"):
        answer = await browser_at(api.app).redeem(link)
        assert answer.status_code == 403, link
        assert "does not work any more" in answer.text

    assert (await browser_at(api.app).redeem(newest)).status_code == 303


async def test_a_link_is_too_old_at_its_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    link = await invite(api)
    at(monkeypatch, clock.now() + 7 * 24 * HOUR)

    assert (await browser_at(api.app).redeem(link)).status_code == 403


async def test_the_code_is_in_the_fragment_and_in_no_row_of_the_database(api: Api) -> None:
    link = await invite(api)
    secret = link.rpartition(".")[2]

    assert "/welcome#lnk_" in link
    for table in (tables.sign_in_links, tables.audit, tables.users):
        rows = await api.read(lambda c, table=table: c.execute(select(table)).all())  # type: ignore[misc]
        assert secret not in str(rows)


async def test_a_new_password_ends_what_was_signed_in_with_the_old_one(api: Api) -> None:
    old = await person(api)
    link = (await api.as_person("POST", "/v1/users/author-1/reset")).json()["link"]

    new = browser_at(api.app)
    assert (await new.redeem(link, "eleven quiet yaks dance")).status_code == 303

    assert (await old.get("/")).status_code == 303
    assert (await new.get("/")).status_code == 200
    assert (await old.sign_in("author-1")).status_code == 401


async def test_a_bad_password_is_explained_and_the_link_still_works(api: Api) -> None:
    link, browser = await invite(api), browser_at(api.app)

    short = await browser.redeem(link, "short")
    differs = await browser.submit("/welcome", code=link, password=PASSWORD, again=PASSWORD + "!")

    assert (short.status_code, differs.status_code) == (422, 422)
    assert "12 to 1024" in short.text
    assert "differ" in differs.text
    assert (await browser.redeem(link)).status_code == 303


async def test_a_wrong_name_and_a_wrong_password_look_the_same(api: Api) -> None:
    await person(api)
    known = await browser_at(api.app).sign_in("author-1", "not the right one")
    unknown = await browser_at(api.app).sign_in("author-9", "not the right one")

    assert known.status_code == unknown.status_code == 401
    shown = [re.sub(r"author-\d|[0-9a-f]{64}", "", answer.text) for answer in (known, unknown)]
    assert shown[0] == shown[1]
    rows = [row.object for row in await api.audited("sign_in.refused")]
    assert rows == ["author-1", "unknown"]


async def test_an_unknown_name_is_the_same_work(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await person(api)
    compared: list[str] = []
    passwords = api.house.people.passwords
    compare = passwords._compare
    monkeypatch.setattr(passwords, "_compare", lambda text, stored: compared.append(stored) or compare(text, stored))

    await browser_at(api.app).sign_in("author-1", "not the right one")
    await browser_at(api.app).sign_in("author-9", "not the right one")

    costs = [stored.rpartition("$")[0].rpartition("$")[0] for stored in compared]
    assert costs == ["$argon2id$v=19$m=65536,t=3,p=4"] * 2


async def test_a_password_is_hashed_anew_when_the_parameters_changed(api: Api) -> None:
    browser = await person(api)
    weak = PasswordHasher(time_cost=1, memory_cost=8192).hash(PASSWORD)
    await api.database.write(lambda tx: tx.run(update(tables.users).values(password_hash=weak)).close())

    assert (await browser_at(api.app).sign_in("Author-1 ")).status_code == 303

    stored = await api.read(lambda c: c.execute(select(tables.users.c.password_hash)).scalar_one())
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert (await browser.get("/")).status_code == 200


async def test_names_and_addresses_that_try_without_end_have_to_wait(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, clock.now())
    browser = browser_at(api.app)
    answers = [(await browser.sign_in("author-9", "not the right one")).status_code for _ in range(12)]

    assert answers == [401] * 10 + [429] * 2
    answer = await browser.sign_in("author-9", "not the right one")
    assert int(answer.headers["retry-after"]) > 0
    assert "try again in" in answer.text


async def test_hashing_is_refused_before_it_exhausts_the_server() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8192))
    try:
        results = await asyncio.gather(*(passwords.hash("x" * 12) for _ in range(40)), return_exceptions=True)
    finally:
        passwords.close()

    refused = [result for result in results if isinstance(result, UnavailableError)]
    assert len(refused) == 40 - THREADS - MOST_WAITING
    assert not [result for result in results if not isinstance(result, str | UnavailableError)]


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "x" * 1025,
        "author-1@plant.example",
        "Password123456",
        "leasehold2026!!",
        "aaaaaaaaaaaaaa",
        "abcabcabcabcabc",
        "1234567890123",
        "qwertyuiopasd",
        "zyxwvutsrqpon",
    ],
)
def test_a_password_that_is_tried_first_is_refused(password: str) -> None:
    assert problem_with(password, name="author-1@plant.example")


@pytest.mark.parametrize("password", [PASSWORD, "Kx9#mq2LpW7z", "ü" * 3 + " ß viele Wörter", "x1" * 6 + "ab yz 77"])
def test_a_good_password_is_taken(password: str) -> None:
    assert problem_with(password, name="author-1") is None


async def test_the_same_characters_typed_in_another_form_are_the_same_password() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8192))
    try:
        stored = await passwords.hash("cafe\u0301 zwo drei")
        assert await passwords.is_right("caf\u00e9 zwo drei", stored)
        assert not await passwords.is_right("cafe zwo drei", stored)
        assert not await passwords.is_right("nobody", None)
        assert not await passwords.is_right("nobody", "not a hash")
    finally:
        passwords.close()


async def test_a_session_that_was_planted_is_not_the_one_that_is_signed_in(api: Api) -> None:
    browser = browser_at(api.app)
    await browser.redeem(await invite(api))
    browser.client.cookies.clear()
    browser.client.cookies.set("leasehold", "planted", domain="127.0.0.1", path="/")

    await browser.sign_in("author-1")

    assert browser.session != "planted"
    thief = browser_at(api.app)
    thief.client.cookies.set("leasehold", "planted")
    assert (await thief.get("/")).status_code == 303


async def test_signing_in_again_ends_the_session_before(api: Api) -> None:
    browser = await person(api)
    before = browser.session
    link = await invite(api, "author-2")
    await browser.redeem(link)

    thief = browser_at(api.app)
    thief.client.cookies.set("leasehold", before or "")
    assert (await thief.get("/")).status_code == 303
    assert "author-2" in (await browser.get("/")).text


async def test_signing_out_ends_the_session_and_not_only_the_cookie(api: Api) -> None:
    browser = await person(api)
    kept = browser.session
    answer = await browser.submit("/sign-out", "/")

    assert 'leasehold=""' in answer.headers["set-cookie"]
    thief = browser_at(api.app)
    thief.client.cookies.set("leasehold", kept or "")
    assert (await thief.get("/")).status_code == 303


@on_both_stores
async def test_a_session_ends_after_twelve_idle_hours_and_after_seven_days(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, began = await person(api), clock.now()
    idle = browser_at(api.app)
    await idle.sign_in("author-1")

    at(monkeypatch, began + 11 * HOUR)
    assert (await browser.get("/")).status_code == 200
    at(monkeypatch, began + 22 * HOUR)
    assert (await browser.get("/")).status_code == 200
    at(monkeypatch, began + 24 * HOUR)
    assert (await idle.get("/")).status_code == 303
    for hours in range(33, 7 * 24, 11):
        at(monkeypatch, began + hours * HOUR)
        assert (await browser.get("/")).status_code == 200, hours
    at(monkeypatch, began + 7 * 24 * HOUR + 60)
    assert (await browser.get("/")).status_code == 303


@on_both_stores
async def test_a_locked_user_is_out_on_the_very_next_request(api: Api) -> None:
    browser = await person(api)
    await api.as_person("POST", "/v1/users/author-1/lock", json={"reason": "laptop stolen"})

    assert (await browser.get("/")).status_code == 303
    again = await browser.sign_in("author-1")
    assert again.status_code == 403
    assert "laptop stolen" in again.text
    await api.as_person("POST", "/v1/users/author-1/unlock")
    assert (await browser.get("/")).status_code == 303, "what was ended stays ended"
    assert (await browser.sign_in("author-1")).status_code == 303


async def test_one_session_is_ended_from_another_and_only_ones_own(api: Api) -> None:
    here, there = await person(api), browser_at(api.app)
    await there.sign_in("author-1")
    stranger = await person(api, "author-2")
    sessions = await api.read(lambda c: c.execute(select(tables.browser_sessions)).all())
    strangers = next(row.id for row in sessions if row.token_epoch == 1 and row.user_id == sessions[-1].user_id)

    page = await here.get("/")
    token = page.text.split('csrf_token" value="')[1].split('"')[0]
    await here.client.post(f"/sessions/{strangers}/end", data={"csrf_token": token})
    assert (await stranger.get("/")).status_code == 200

    action = page.text.split('action="/sessions/ses')[1].split('"')[0]
    await here.client.post(f"/sessions/ses{action}", data={"csrf_token": token})
    assert (await there.get("/")).status_code == 303
    assert (await here.get("/")).status_code == 200


async def test_ending_everything_ends_this_session_too_and_every_token(api: Api) -> None:
    here, there = await person(api), browser_at(api.app)
    await there.sign_in("author-1")

    await here.submit("/sessions/end-all", "/")

    assert [(await browser.get("/")).status_code for browser in (here, there)] == [303, 303]
    assert await api.read(lambda c: c.execute(select(tables.users.c.token_epoch)).scalar_one()) == 2
    assert len(await api.audited("session.all_ended")) == 1


async def test_somebody_without_a_role_is_told_what_to_ask_for(api: Api) -> None:
    home = await (await person(api)).get("/")

    assert "leasehold members set author-1 --role author" in home.text


async def test_local_sign_in_can_be_off(opened: Opener) -> None:
    async with opened(local_sign_in=False, oidc_issuer="http://127.0.0.1:9", oidc_client_id="leasehold") as api:
        browser = browser_at(api.app)

        page = await browser.get("/sign-in")
        assert "password" not in page.text
        assert "/sign-in/provider" in page.text
        assert (await browser.get("/welcome")).status_code == 403
        invited = await api.as_person("POST", "/v1/users", json={"name": "author-1"})
        assert invited.status_code == 409
        assert "local_sign_in" in invited.json()["detail"]


async def test_the_servers_own_command_makes_the_first_platform_admin(fresh_state: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    made = await asyncio.to_thread(
        CliRunner().invoke, command, ["users", "bootstrap-link", "--state-dir", str(state), "--name", "chief-1"]
    )
    assert made.exit_code == 0, made.output
    link = made.stdout.strip()

    async with open_api(state) as api:
        browser = browser_at(api.app)
        assert (await browser.redeem(link)).status_code == 303
        assert "platform admin" in (await browser.get("/")).text
        assert (await browser_at(api.app).redeem(link)).status_code == 403
        await api.as_person("POST", "/v1/users", json={"name": "author-1"})
        for name, code in (("author-1", 1), ("no/name", 2), ("chief-1", 0)):
            again = await asyncio.to_thread(
                CliRunner().invoke, command, ["users", "bootstrap-link", "--state-dir", str(state), "--name", name]
            )
            assert again.exit_code == code, again.output
