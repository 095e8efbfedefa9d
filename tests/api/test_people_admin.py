"""Users and members: what admins can do, and what they can't."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from leasehold_api import clock
from leasehold_api.acting import By
from leasehold_api.errors import ConflictError
from leasehold_api.storage import tables
from leasehold_api.storage.sql_users import SqlUsers
from tests.support.api_server import Api, on_both_stores
from tests.support.browser import browser_at, invite, person

MEMBERS = "/v1/teams/default/members"


async def revoke_platform_tokens(api: Api) -> None:
    """Let no platform admin's API token work any more: as when it was revoked in the database."""
    which = update(tables.api_tokens).where(tables.api_tokens.c.team_id.is_(None))
    await api.database.write(lambda tx: tx.run(which.values(revoked_at=clock.now())).close())


def by_chief(at: float) -> By:
    """Return who does it."""
    return By(actor="user:chief-1", at=at, address="127.0.0.1")


@on_both_stores
async def test_a_user_is_invited_with_roles_listed_and_removed(api: Api) -> None:
    await api.make_team("metering")
    link = await invite(
        api, "Author-1@Plant.example", email="author-1@plant.example", roles={"default": "author", "metering": "viewer"}
    )

    assert link.startswith("http://127.0.0.1:8420/welcome#lnk_")
    [user] = (await api.as_person("GET", "/v1/users")).json()["items"]
    assert (user["name"], user["signs_in_by"], user["roles"]) == (
        "author-1@plant.example",
        "link",
        {"default": "author", "metering": "viewer"},
    )
    gone = await api.as_person("DELETE", "/v1/users/author-1@plant.example")
    assert gone.status_code == 204
    assert (await api.as_person("GET", "/v1/users/author-1@plant.example")).status_code == 404
    assert (await api.as_person("GET", MEMBERS)).json()["items"] == []


@on_both_stores
async def test_a_name_is_given_once_and_a_team_must_be_there(api: Api) -> None:
    await invite(api)

    twice = await api.as_person("POST", "/v1/users", json={"name": "AUTHOR-1"})
    nowhere = await api.as_person("POST", "/v1/users", json={"name": "author-2", "roles": {"nowhere": "viewer"}})

    assert (twice.status_code, twice.json()["code"]) == (409, "already_exists")
    assert nowhere.status_code == 404
    assert (await api.as_person("GET", "/v1/users/author-2")).status_code == 404


@pytest.mark.parametrize("name", ["", "a/b", "a b", "-a", "ä", "a" * 129, "a\nb"])
async def test_what_can_be_no_name_is_refused(api: Api, name: str) -> None:
    assert (await api.as_person("POST", "/v1/users", json={"name": name})).status_code == 422


@on_both_stores
async def test_lists_come_in_parts(api: Api) -> None:
    for number in range(3):
        await invite(api, f"author-{number}", roles={"default": "viewer"})

    for path, key in (("/v1/users", "name"), (MEMBERS, "user")):
        first = (await api.as_person("GET", path, params={"limit": 2})).json()
        rest = (await api.as_person("GET", path, params={"limit": 2, "after": first["next"]})).json()
        assert [item[key] for item in first["items"] + rest["items"]] == ["author-0", "author-1", "author-2"]
        assert rest["next"] is None


@on_both_stores
async def test_an_admin_of_the_team_sets_and_takes_back_roles(api: Api) -> None:
    await invite(api)
    admin, viewer = await api.make_api_token("admin"), await api.make_api_token("viewer")

    for role in ("viewer", "admin", "operator"):
        answer = await api.as_person("PUT", f"{MEMBERS}/author-1", token=admin, json={"role": role})
        assert (answer.status_code, answer.json()["role"]) == (200, role)
    listed = (await api.as_person("GET", MEMBERS, token=viewer)).json()["items"]
    assert [(member["user"], member["role"]) for member in listed] == [("author-1", "operator")]
    assert (await api.as_person("PUT", f"{MEMBERS}/author-9", token=admin, json={"role": "viewer"})).status_code == 404
    assert (await api.as_person("DELETE", f"{MEMBERS}/author-1", token=admin)).status_code == 204
    assert (await api.as_person("DELETE", f"{MEMBERS}/author-1", token=admin)).status_code == 404


async def test_an_admin_of_one_team_gives_nothing_in_another(api: Api) -> None:
    await api.make_team("rivals")
    await invite(api)
    stranger = await api.make_api_token("admin", team="rivals")

    put = await api.as_person("PUT", f"{MEMBERS}/author-1", token=stranger, json={"role": "admin"})
    assert put.status_code == 404
    assert (await api.as_person("POST", "/v1/users", token=stranger, json={"name": "x"})).status_code == 403


async def test_a_role_works_in_the_browser_from_the_next_request_on(api: Api) -> None:
    browser = await person(api)
    await api.as_person("PUT", f"{MEMBERS}/author-1", json={"role": "operator"})

    assert "operator" in (await browser.get("/")).text


async def test_doing_it_again_changes_nothing_and_leaves_no_row(api: Api) -> None:
    await invite(api)
    for _ in range(2):
        await api.as_person("POST", "/v1/users/author-1/lock", json={"reason": "left"})
        await api.as_person("PUT", f"{MEMBERS}/author-1", json={"role": "viewer"})
        await api.as_person("PUT", "/v1/users/author-1/platform-admin", json={"is_platform_admin": True})

    for action in ("user.locked", "member.set", "user.platform_admin"):
        assert len(await api.audited(action)) == 1


@on_both_stores
async def test_the_last_platform_admin_stays_while_no_bootstrap_token_works(api: Api) -> None:
    await person(api, "chief-1", is_platform_admin=True)
    await invite(api, "chief-2", is_platform_admin=True)  # never signed in: nobody could administer by it
    await revoke_platform_tokens(api)
    users = api.house.people.users
    by = by_chief(clock.now())

    with pytest.raises(ConflictError, match="last platform admin"):
        await users.lock("chief-1", because="x", by=by)
    with pytest.raises(ConflictError, match="last platform admin"):
        await users.delete("chief-1", by=by)
    with pytest.raises(ConflictError, match="last platform admin"):
        await users.set_platform_admin("chief-1", wanted=False, by=by)

    await users.delete("chief-2", by=by)
    assert (await users.get("chief-1")).is_platform_admin


@on_both_stores
async def test_two_platform_admins_who_lock_each_other_at_once_leave_one(api: Api) -> None:
    for name in ("chief-1", "chief-2"):
        await person(api, name, is_platform_admin=True)
    await revoke_platform_tokens(api)
    # Two processes: each has a writer of its own.
    stores = (api.house.people.users, SqlUsers(api.database))
    tries = [
        store.lock(name, because="x", by=by_chief(clock.now()))
        for store, name in zip(stores, ("chief-1", "chief-2"), strict=True)
    ]
    await asyncio.gather(*tries, return_exceptions=True)

    free = select(tables.users.c.name).where(tables.users.c.locked_at.is_(None))
    assert len(await api.read(lambda c: c.execute(free).all())) == 1


async def test_while_the_bootstrap_token_works_every_platform_admin_can_be_locked(api: Api) -> None:
    await person(api, "chief-1", is_platform_admin=True)

    answer = await api.as_person("POST", "/v1/users/chief-1/lock", json={"reason": "left"})

    assert answer.status_code == 200
    assert answer.json()["locked_because"] == "left"


async def test_a_locked_users_link_opens_nothing(api: Api) -> None:
    link = await invite(api)
    await api.as_person("POST", "/v1/users/author-1/lock", json={"reason": "mistake"})
    await api.as_person("POST", "/v1/users/author-1/unlock")

    assert (await browser_at(api.app).redeem(link)).status_code == 403
