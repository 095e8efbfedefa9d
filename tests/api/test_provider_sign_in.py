"""Signing in at a real OpenID Connect provider: oidc-provider from npm, in a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from leasehold_api import clock
from tests.api.conftest import Opener
from tests.support.api_server import Api, open_api
from tests.support.browser import Browser, browser_at
from tests.support.databases import FRESH
from tests.support.real_provider import RealProvider, real_provider

ACCOUNTS = {
    "s-1": {"preferred_username": "Author-1", "email": "author-1@plant.example", "groups": ["data", "unheard-of"]},
    "s-2": {"preferred_username": "author-1", "email": "other@plant.example", "groups": ["data"]},
    "s-3": {"preferred_username": "chief-1", "groups": ["platform"]},
    "s-4": {"preferred_username": "visitor-1", "groups": ["canteen"]},
    "s-5": {"email": "no name@plant.example", "groups": ["data"]},
}
ROLES = ["data=default:author", "cn=ops,ou=plant=default:operator", "platform=*:platform-admin"]


@pytest.fixture(scope="module")
def provider() -> Iterator[RealProvider]:
    with real_provider(ACCOUNTS) as running:
        yield running


def settings(provider: RealProvider, **more: Any) -> dict[str, Any]:
    """Return how the API knows the provider."""
    return {
        "oidc_issuer": provider.issuer,
        "oidc_client_id": "leasehold",
        "oidc_scopes": "openid profile email groups",
        "oidc_roles": ROLES,
        **more,
    }


@dataclass
class Door:
    """An API with a provider."""

    api: Api
    provider: RealProvider

    async def leave_for(self, browser: Browser, path: str = "/sign-in/provider") -> str:
        """Return where the sign-in page's button leads."""
        answer = await browser.get(path)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    async def sign_in(self, account: str | None, browser: Browser | None = None, *, next_path: str = "/") -> Any:
        """Go there and come back."""
        browser = browser or browser_at(self.api.app)
        there = await self.leave_for(browser, f"/sign-in/provider?next={next_path}")
        back = await self.provider.visit(there, account=account)
        return browser, await browser.get(back)


@pytest.fixture(params=["sqlite", "postgresql"])
async def door(request: pytest.FixtureRequest, provider: RealProvider, tmp_path: Path) -> AsyncIterator[Door]:
    """Return an API whose people sign in at the provider, on both databases."""
    with FRESH[request.param]() as url:
        async with open_api(tmp_path / "state", database_url=url, **settings(provider)) as api:
            yield Door(api, provider)


async def users(api: Api) -> dict[str, Any]:
    """Return all users by name."""
    return {user["name"]: user for user in (await api.as_person("GET", "/v1/users")).json()["items"]}


async def test_somebody_signs_in_at_the_provider_and_has_the_roles_of_their_groups(door: Door) -> None:
    browser, answer = await door.sign_in("s-1", next_path="/device")

    assert (answer.status_code, answer.headers["location"]) == (303, "/device")
    home = await browser.get("/")
    assert "author-1" in home.text
    found = (await users(door.api))["author-1"]
    assert (found["signs_in_by"], found["roles"], found["email"]) == (
        "provider",
        {"default": "author"},
        "author-1@plant.example",
    )
    [member] = (await door.api.as_person("GET", "/v1/teams/default/members")).json()["items"]
    assert (member["user"], member["origin"]) == ("author-1", "groups")


async def test_somebody_else_with_the_same_name_is_somebody_else(door: Door) -> None:
    await door.sign_in("s-1")
    await door.sign_in("s-2")
    await door.sign_in("s-2")

    assert sorted(await users(door.api)) == ["author-1", "author-1-2"]


async def test_a_group_makes_a_platform_admin(door: Door) -> None:
    browser, _ = await door.sign_in("s-3")

    assert "platform admin" in (await browser.get("/")).text
    assert (await users(door.api))["chief-1"]["is_platform_admin"]
    refused = await door.api.as_person("PUT", "/v1/users/chief-1/platform-admin", json={"is_platform_admin": False})
    assert refused.status_code == 409


async def test_somebody_without_any_mapped_group_is_told_what_to_ask_for(door: Door) -> None:
    browser, answer = await door.sign_in("s-4")

    assert answer.status_code == 403
    assert "data" in answer.text
    assert "canteen" in answer.text
    assert await users(door.api) == {}
    assert (await browser.get("/")).status_code == 303


async def test_without_the_name_claim_the_address_is_the_name(door: Door) -> None:
    await door.sign_in("s-5")

    assert list(await users(door.api)) == ["no-name@plant.example"]


async def test_who_is_locked_stays_out(door: Door) -> None:
    browser, _ = await door.sign_in("s-1")
    await door.api.as_person("POST", "/v1/users/author-1/lock", json={"reason": "left"})

    assert (await browser.get("/")).status_code == 303
    _, again = await door.sign_in("s-1")
    assert again.status_code == 403
    assert "locked" in again.text


async def test_who_says_no_at_the_provider_can_begin_again(door: Door) -> None:
    _, answer = await door.sign_in(None)

    assert answer.status_code == 403
    assert "access_denied" in answer.text
    assert "Begin again" in answer.text


async def test_an_answer_counts_once_and_in_its_own_browser_only(door: Door) -> None:
    mine, stranger = browser_at(door.api.app), browser_at(door.api.app)
    back = await door.provider.visit(await door.leave_for(mine), account="s-1")
    await stranger.get("/sign-in")

    stolen = await stranger.get(back)
    first = await mine.get(back)
    second = await mine.get(back)

    assert (stolen.status_code, first.status_code, second.status_code) == (400, 303, 400)
    assert stranger.session is None


async def test_a_sign_in_that_took_too_long_is_begun_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = browser_at(door.api.app)
    back = await door.provider.visit(await door.leave_for(browser), account="s-1")
    later = clock.now() + 901
    monkeypatch.setattr(clock, "now", lambda: later)

    assert (await browser.get(back)).status_code == 400


async def test_the_answer_of_another_provider_is_refused(door: Door) -> None:
    browser = browser_at(door.api.app)
    back = await door.provider.visit(await door.leave_for(browser), account="s-1")

    mixed_up = await browser.get(str(httpx.URL(back).copy_set_param("iss", "https://evil.example")))

    assert mixed_up.status_code == 403
    assert "another provider" in mixed_up.text


async def test_roles_of_groups_go_with_the_groups_and_granted_ones_stay(
    opened: Opener, provider: RealProvider, tmp_path: Path
) -> None:
    async with opened(**settings(provider)) as api:
        await Door(api, provider).sign_in("s-1")
        await api.as_person("PUT", "/v1/teams/default/members/author-1", json={"role": "viewer"})
    async with open_api(tmp_path / "state", **settings(provider, oidc_roles=["elsewhere=default:admin"])) as api:
        _, answer = await Door(api, provider).sign_in("s-1")

        assert answer.status_code == 303
        assert (await users(api))["author-1"]["roles"] == {"default": "viewer"}


@pytest.mark.parametrize("auth_method", ["client_secret_basic", "client_secret_post"])
async def test_a_client_with_a_secret_and_groups_in_the_id_token(
    opened: Opener, tmp_path: Path, auth_method: str
) -> None:
    secret = "a secret/with+signs:&"
    file = tmp_path / "secret"
    file.write_text(secret + "\n")
    with real_provider(ACCOUNTS, secret=secret, auth_method=auth_method, groups_from_userinfo=False) as provider:
        async with opened(**settings(provider, oidc_client_secret_file=file)) as api:
            _, answer = await Door(api, provider).sign_in("s-1")

            assert answer.status_code == 303, answer.text


async def test_a_provider_that_is_away_is_a_clear_page(opened: Opener) -> None:
    nowhere = RealProvider(issuer="http://127.0.0.1:9")
    async with opened(**settings(nowhere)) as api:
        answer = await browser_at(api.app).get("/sign-in/provider")

        assert answer.status_code == 503
        assert "Begin again" in answer.text
