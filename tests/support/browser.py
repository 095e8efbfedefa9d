"""A browser without a screen: keeps cookies, follows our redirects, fills in the forms of pages."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from tests.support.api_server import ISSUER, Api

PASSWORD = "seven tame otters juggle"


@dataclass
class Browser:
    """One browser at the API."""

    client: httpx.AsyncClient

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """Load a page."""
        return await self.client.get(path, **more)

    async def submit(self, path: str, page: httpx.Response | str | None = None, **fields: str) -> httpx.Response:
        """Send the form that leads to ``path``, of ``page`` (or of the page at that path), with these fields."""
        shown = await self.get(page or path) if not isinstance(page, httpx.Response) else page
        return await self.client.post(path, data={**form_fields(shown.text, path), **fields})

    async def sign_in(self, name: str, password: str = PASSWORD, *, next_path: str = "/") -> httpx.Response:
        """Sign in with name and password."""
        return await self.submit("/sign-in", name=name, password=password, next=next_path)

    async def redeem(self, link: str, password: str = PASSWORD) -> httpx.Response:
        """Open a sign-in link and choose a password."""
        return await self.submit("/welcome", code=link.rpartition("#")[2], password=password, again=password)

    @property
    def session(self) -> str | None:
        """What the session cookie has."""
        return self.client.cookies.get("leasehold") or self.client.cookies.get("__Host-leasehold")


def browser_at(app: FastAPI, *, url: str = ISSUER) -> Browser:
    """Return a browser that has never been here."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return Browser(httpx.AsyncClient(transport=transport, base_url=url))


def form_fields(page: str, action: str) -> dict[str, str]:
    """Return what is filled in already in the form that leads to ``action``."""
    found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert found, f"no form to {action} in {page[:2000]}"
    inputs = re.findall(r"<input[^>]*>", found[0])
    named = {_attribute(one, "name"): _attribute(one, "value") for one in inputs}
    return {name: html.unescape(value) for name, value in named.items() if name}


async def invite(api: Api, name: str = "author-1", **invite: Any) -> str:
    """Make a user; return their sign-in link."""
    answer = await api.as_person("POST", "/v1/users", json={"name": name, **invite})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["link"])


async def person(api: Api, name: str = "author-1", **more: Any) -> Browser:
    """Return a browser in which a new user has signed in."""
    browser = browser_at(api.app)
    answer = await browser.redeem(await invite(api, name, **more))
    assert answer.status_code == 303, answer.text
    return browser


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\s{name}="([^"]*)"', tag)
    return found[1] if found else ""
