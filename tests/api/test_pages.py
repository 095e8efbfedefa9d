"""Every page: its headers, its forms, its cookies, and where it leads."""

from __future__ import annotations

import re

import pytest
from fastapi import APIRouter, Depends, FastAPI

from leasehold_api.http.access import ACCESS, Kind
from leasehold_api.http.access_check import check_every_route_is_listed
from leasehold_api.http.pages.addresses import own_path
from leasehold_api.http.pages.session import signed_in
from tests.api.conftest import Opener
from tests.support.api_server import Api
from tests.support.browser import PASSWORD, browser_at, form_fields, invite, person

PAGES = {route: needed.kind for route, needed in ACCESS.items() if needed.kind in {Kind.PAGE, Kind.SIGNED_IN}}
FORMS = [path for method, path in PAGES if method == "POST"]
CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SAFE = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def address(path: str) -> str:
    """Return an address of the route."""
    return re.sub(r"\{\w+\}", "no-such-thing", path)


async def test_every_answer_to_a_browser_has_the_security_headers(api: Api) -> None:
    signed, stranger = await person(api), browser_at(api.app)
    wrong = []
    for method, path in PAGES:
        for browser in (stranger, signed):
            answer = await browser.client.request(method, address(path))
            # A page may name further places that its forms lead to, and nothing else.
            answer.headers["content-security-policy"] = re.sub(
                r"form-action 'self'[^;]*", "form-action 'self'", answer.headers.get("content-security-policy", "")
            )
            found = {name: answer.headers.get(name) for name in SAFE}
            if found != SAFE:
                wrong.append((method, path, answer.status_code, found))

    assert wrong == []


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_without_its_token_or_with_another_browsers_is_refused(api: Api, path: str) -> None:
    browser, other = await person(api), await person(api, "author-2")
    foreign = form_fields((await other.get("/")).text, "/sign-out")["csrf_token"]

    for fields in ({}, {"csrf_token": ""}, {"csrf_token": foreign}, {"csrf_token": "é"}):
        answer = await browser.client.post(address(path), data={"name": "author-1", "password": PASSWORD, **fields})
        assert answer.status_code == 403, (path, fields, answer.text)
        assert "this browser" in answer.text.replace("&#39;", "'")

    assert (await browser.get("/")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
async def test_a_form_that_another_site_sends_is_refused(api: Api, headers: dict[str, str]) -> None:
    browser = await person(api)
    fields = form_fields((await browser.get("/")).text, "/sign-out")

    answer = await browser.client.post("/sign-out", data=fields, headers=headers)

    assert answer.status_code == 403
    assert (await browser.get("/")).status_code == 200


async def test_a_form_of_our_own_page_is_taken_from_a_browser_that_says_so(api: Api) -> None:
    browser = await person(api)
    fields = form_fields((await browser.get("/")).text, "/sign-out")

    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    assert (await browser.client.post("/sign-out", data=fields, headers=headers)).status_code == 303


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b'{"name": "author-1"}', "application/json", 422),
        (b"name=%ff", "application/x-www-form-urlencoded", 422),
        (b"name=a&name=b", "application/x-www-form-urlencoded", 422),
        (b"name=" + b"a" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_what_is_no_form_is_refused_with_a_page(api: Api, content: bytes, media_type: str, status: int) -> None:
    answer = await browser_at(api.app).client.post("/sign-in", content=content, headers={"Content-Type": media_type})

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


async def test_cookies_can_be_read_by_no_script_and_go_to_no_other_site(api: Api) -> None:
    browser = browser_at(api.app)
    form = (await browser.get("/sign-in")).headers["set-cookie"]
    session = (await browser.redeem(await invite(api))).headers["set-cookie"]

    assert re.fullmatch(r"leasehold-form=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", form)
    assert re.fullmatch(r"leasehold=[\w-]{43}; HttpOnly; Max-Age=604800; Path=/; SameSite=lax", session)


async def test_on_https_cookies_are_bound_to_this_host_and_never_sent_in_the_clear(opened: Opener) -> None:
    async with opened(public_url="https://leasehold.example") as api:
        browser = browser_at(api.app, url="https://leasehold.example")
        first = await browser.get("/sign-in")
        answer = await browser.redeem(await invite(api))

        assert first.headers["strict-transport-security"] == "max-age=31536000"
        assert first.headers["set-cookie"].startswith("__Host-leasehold-form=")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-leasehold=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        assert (await browser.get("/")).status_code == 200


async def test_the_api_takes_no_cookies(api: Api) -> None:
    browser = await person(api, is_platform_admin=True)

    for path in ("/v1/whoami", "/v1/users", "/v1/teams/default/sites"):
        assert (await browser.get(path)).status_code == 401


@pytest.mark.parametrize(
    "evil",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%0d%0a\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        " /sign-in",
        "evil",
        "",
        "/" + "a" * 5000,
    ],
)
def test_another_place_is_never_led_to(evil: str) -> None:
    assert own_path(evil) == "/"


@pytest.mark.parametrize("path", ["/", "/device", "/oauth/authorize?client_id=x&to=http%3A%2F%2F127.0.0.1%2F"])
def test_a_path_of_ours_is_led_to(path: str) -> None:
    assert own_path(path) == path


async def test_who_is_not_signed_in_is_sent_to_sign_in_and_comes_back(api: Api) -> None:
    browser = await person(api)
    browser.client.cookies.clear()

    sent = await browser.get("/?tab=2")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2F%3Ftab%3D2")

    page = await browser.get(sent.headers["location"])
    back = await browser.submit("/sign-in", page, name="author-1", password=PASSWORD)
    assert back.headers["location"] == "/?tab=2"


async def test_what_people_type_is_text_and_never_markup(api: Api) -> None:
    answer = await browser_at(api.app).sign_in("<script>alert(1)</script>", next_path='/"><script>')

    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


async def test_files_of_pages_are_a_fixed_few(api: Api) -> None:
    assert (await api.client.get("/static/leasehold.css")).headers["content-type"] == "text/css; charset=utf-8"
    for name in ("..%2f..%2fapp.py", "../rendering.py", "nothing.css"):
        assert (await api.client.get(f"/static/{name}")).status_code == 404


async def test_pages_have_no_script_or_style_inside(api: Api) -> None:
    browser = await person(api)
    for path in ("/", "/welcome", "/no-such-page"):
        text = (await browser.get(path)).text
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", text)


def test_a_page_that_does_not_check_its_form_does_not_start() -> None:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    router = APIRouter()
    router.add_api_route("/sign-out", lambda: None, methods=["POST"], dependencies=[Depends(signed_in)])
    app.include_router(router)

    with pytest.raises(RuntimeError, match="POST /sign-out is a page and does not check its form"):
        check_every_route_is_listed(app)
