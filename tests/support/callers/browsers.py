"""Browsers as callers: pages take their sessions and forms, and ``/v1`` takes neither."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.http.pages.cookies import csrf_of
from leasehold_api.people.sessions import Method, NewSession, new_secret
from tests.support.api_server import Api
from tests.support.callers.answers import FOREIGN_FORM, LET_IN, SIGN_IN_FIRST, STRANGE
from tests.support.callers.cast import Call, CallerKind, Cast, Make
from tests.support.signed_in_people import Person, change_user, make_person

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
Spoil = Callable[[Api, Person], Awaitable[object]]


async def session_of(api: Api, person: Person) -> str:
    """Sign a person in with another browser; return what its cookie has."""
    secret = new_secret()
    session = NewSession(
        id=clock.new_id("ses"),
        secret=secret,
        user_id=person.id,
        method=Method.PASSWORD,
        at=clock.now(),
        address="127.0.0.1",
        user_agent=None,
    )
    assert await api.house.people.sessions.begin(session)
    return secret.text


def browser(
    *,
    spoil: Spoil | None = None,
    csrf: Callable[[str], str | None] = csrf_of,
    is_signed_in: bool = True,
    headers: dict[str, str] = SAME_ORIGIN,
) -> Make:
    """Call as a platform admin's browser, newly signed in each time: some of the forms end sessions."""

    async def make(cast: Cast) -> Call:
        api = cast.api

        async def call(method: str, path: str) -> httpx.Response:
            person = persons[-1]
            cookie = await session_of(api, person) if is_signed_in else None
            if spoil is not None:
                await spoil(api, person)
                persons.append(await admin(api))
            token = csrf(cookie or "")
            body = {} if method in {"GET", "HEAD"} else {"data": {"csrf_token": token} if token else {"name": "x"}}
            shown = headers | ({"Cookie": f"leasehold={cookie}"} if cookie else {})
            return await api.client.request(method, path, headers=shown, **body)

        persons = [await admin(api)]
        return call

    return make


async def admin(api: Api) -> Person:
    """Make a platform admin."""
    return await make_person(api, f"admin-{secrets.token_hex(6)}", roles={"default": "admin"}, is_platform_admin=True)


async def locked(api: Api, person: Person) -> None:
    """Lock the person."""
    await change_user(api, person, locked_at=clock.now(), locked_because="a walk")


async def everything_ended(api: Api, person: Person) -> None:
    """End everything that is signed in as the person."""
    await api.house.people.users.end_everything(person.id, by=By(actor="test", at=clock.now()))


ANOTHER_SESSIONS = csrf_of(new_secret().text)
SIGNED_IN = replace(STRANGE, signed_in=LET_IN, form=LET_IN)
STRANGER = replace(STRANGE, signed_in=SIGN_IN_FIRST, form=FOREIGN_FORM)
ENDED = replace(STRANGER, form=LET_IN)
"""The forms that need nobody signed in are its own page's, still."""
NOT_OUR_FORM = replace(SIGNED_IN, form=FOREIGN_FORM)

BROWSERS: list[CallerKind] = [
    CallerKind("browser without session", browser(is_signed_in=False), STRANGER),
    CallerKind("browser with session", browser(), SIGNED_IN),
    CallerKind("browser of a locked user", browser(spoil=locked), ENDED),
    CallerKind("browser whose session was ended", browser(spoil=everything_ended), ENDED),
    CallerKind("form without its token", browser(csrf=lambda _: None), NOT_OUR_FORM),
    CallerKind("form with another session's token", browser(csrf=lambda _: ANOTHER_SESSIONS), NOT_OUR_FORM),
    CallerKind("form from another site", browser(headers={"Sec-Fetch-Site": "cross-site"}), NOT_OUR_FORM),
    CallerKind(
        "form from another site, by its Origin", browser(headers={"Origin": "https://evil.example"}), NOT_OUR_FORM
    ),
    CallerKind("form from a sibling site", browser(headers={"Sec-Fetch-Site": "same-site"}), NOT_OUR_FORM),
]
