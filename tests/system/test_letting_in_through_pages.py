"""People, command lines and agents are let in through the real pages: real programs, and httpx as the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.browser import PASSWORD, form_fields
from tests.system.place import Place
from tests.system.programs import PATIENCE_S, Program, until

CODE = re.compile(r"\b[A-Z]{4}-[A-Z]{4}\b(?!-)")
FINGERPRINT = re.compile(r"SHA256:[A-Z2-7-]+")
DENIED = 4


class Browser:
    """Somebody's browser, at the start page after a sign-in link."""

    def __init__(self, place: Place) -> None:
        self.http = httpx.Client(base_url=place.url, trust_env=False, timeout=PATIENCE_S, follow_redirects=True)

    def open_link(self, link: str) -> httpx.Response:
        """Choose a password."""
        form = form_fields(self.http.get("/welcome").text, "/welcome")
        given = {"code": link.rpartition("#")[2], "password": PASSWORD, "again": PASSWORD}
        return self.http.post("/welcome", data=form | given)

    def device(self, code: str) -> str:
        """Type a code; return the page that asks."""
        page = self.http.get("/device", params={"user_code": code})
        assert page.status_code == 200, page.text
        return page.text

    def answer(self, page: str, **answer: str) -> str:
        """Press a button of the page that asks."""
        done = self.http.post("/device", data=form_fields(page, "/device") | answer)
        assert done.status_code == 200, done.text
        return done.text


@pytest.fixture(scope="module")
def browser(api: Place) -> Iterator[Browser]:
    """The first platform admin's browser."""
    said = api.command("leasehold-api", "users", "bootstrap-link", "--state-dir", "api", "--name", "admin-1", "--json")
    link = json.loads(said)["link"]
    assert link.startswith(f"{api.url}/welcome#"), "the address that only serve was told"
    browser = Browser(api)
    assert "admin-1" in browser.open_link(link).text
    yield browser
    browser.http.close()


def shown(program: Program, pattern: re.Pattern[str]) -> str:
    """Return what a program shows, once it does."""

    def look() -> str | None:
        found = pattern.search(program.said())
        assert found or program.is_alive, program.said()
        return found[0] if found else None

    return until(look, f"{program.name} shows {pattern.pattern}")


def enrolling(api: Place, name: str) -> Program:
    """Start an enrolment that waits for a person."""
    return api.start(f"enrol-{name}", "edge-agent", "enroll", api.url, "--device", "--name", name, "--state-dir", name)


def test_an_agent_that_a_person_lets_in_at_a_site_works_there(api: Place, browser: Browser) -> None:
    enrolment = enrolling(api, "north-1")
    page = browser.device(shown(enrolment, CODE))

    assert "north-1" in page
    assert "127.0.0.1" in page
    assert shown(enrolment, FINGERPRINT) in page
    assert "default/north" in page
    browser.answer(page, answer="allow", site="default/north")

    until(lambda: not enrolment.is_alive, "the enrolment has ended")
    assert enrolment.ended() == 0, enrolment.said()
    assert "site north" in enrolment.said()
    api.start_agent("north-1")


def test_an_agent_that_is_denied_is_told_so_and_leaves_nothing(api: Place, browser: Browser) -> None:
    enrolment = enrolling(api, "north-2")

    browser.answer(browser.device(shown(enrolment, CODE)), answer="deny")

    until(lambda: not enrolment.is_alive, "the enrolment has ended")
    assert enrolment.ended() == DENIED, enrolment.said()
    assert "denied" in enrolment.said()
    assert all(agent["name"] != "north-2" for agent in api.get("agents")["items"])


def test_a_command_line_works_for_the_person_until_they_end_it(api: Place, browser: Browser, tmp_path: Path) -> None:
    its_own = {"LEASEHOLD_CONFIG_DIR": str(tmp_path), "LEASEHOLD_URL": "", "LEASEHOLD_TOKEN_FILE": ""}
    login = api.start("login", "leasehold", "login", api.url, more=its_own)
    page = browser.device(shown(login, CODE))
    browser.answer(page, answer="allow")
    until(lambda: not login.is_alive, "the sign-in has ended")
    assert login.ended() == 0, login.said()
    assert "admin-1" in login.said()

    home = browser.http.get("/").text
    [button] = set(re.findall(r"/sign-ins/[^/]+/end", home))
    browser.http.post(button, data=form_fields(home, button))

    whoami = api.start("whoami", "leasehold", "whoami", more=its_own)
    until(lambda: not whoami.is_alive, "whoami has ended")
    assert whoami.ended() != 0
    assert "leasehold login" in whoami.said()
