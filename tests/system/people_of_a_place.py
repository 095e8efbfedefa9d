"""People and programs at a place: they sign in over the wire, with real commands and a browser."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.support.browser import form_fields
from tests.support.signed_in_people import fields_of
from tests.system.place import COMMANDS, Place
from tests.system.programs import PATIENCE_S, Program, until

_USER_CODE = re.compile(r"^ {4}([A-Z0-9]{4}-[A-Z0-9]{4})$", re.MULTILINE)


def browser_at(place: Place) -> httpx.Client:
    """Return a browser that has never been here; close it."""
    return httpx.Client(base_url=place.url, trust_env=False, timeout=PATIENCE_S)


def choose_password(browser: httpx.Client, link: str, password: str) -> None:
    """Open a sign-in link and choose a password, sign out, mistype the password, and sign in with it."""
    form = form_fields(browser.get("/welcome").text, "/welcome")
    sent = form | {"code": link.rpartition("#")[2], "password": password, "again": password}
    assert browser.post("/welcome", data=sent).status_code == 303
    sign_out = form_fields(browser.get("/").text, "/sign-out")
    assert browser.post("/sign-out", data=sign_out).status_code == 303
    form = form_fields(browser.get("/sign-in").text, "/sign-in")
    wrong = browser.post("/sign-in", data=form | {"name": "operator-1", "password": password + "x"})
    assert wrong.status_code in {401, 403, 422}, wrong.text
    form = form_fields(wrong.text, "/sign-in")
    right = browser.post("/sign-in", data=form | {"name": "operator-1", "password": password})
    assert right.status_code == 303, right.text


def login(place: Place, browser: httpx.Client) -> Program:
    """Sign in on the command line with a code that the person types in the browser; wait until it is done."""
    env = {name: value for name, value in place.env.items() if name != "LEASEHOLD_TOKEN_FILE"}
    env["LEASEHOLD_CONFIG_DIR"] = str(place.home / "person")
    argv = [str(COMMANDS / "leasehold"), "login", place.url]
    program = Program("login", argv, log=place.home / "logs" / "login.log", env=env, cwd=place.home)
    place.programs.append(program)
    code = until(lambda: _USER_CODE.search(program.said()), "the command shows a code")[1]
    asked = browser.get("/device", params={"user_code": code})
    decided = browser.post("/device", data=fields_of(asked) | {"answer": "allow"})
    assert decided.status_code in {200, 303}, decided.text
    assert program.ended() == 0, program.said()
    return program


def make_program(place: Place) -> str:
    """Make a service client that signs in; return its secret."""
    place.command("leasehold", "service-clients", "create", "ci", "--role", "author", "--output", "ci.secret", "--json")
    listed = json.loads(place.command("leasehold", "service-clients", "list", "--json"))
    client_id, secret = listed[0]["id"], (place.home / "ci.secret").read_text().strip()
    form = {"grant_type": "client_credentials"}
    with httpx.Client(base_url=place.url, trust_env=False) as program:
        refused = program.post("/oauth/token", data=form, auth=(client_id, secret + "x"))
        answer = program.post("/oauth/token", data=form, auth=(client_id, secret))
    assert (refused.status_code, answer.status_code) == (401, 200), answer.text
    return secret


@contextmanager
def refusing_provider() -> Generator[str]:
    """An OpenID Connect provider that takes nobody's secret: it says so, with the secret in its answer."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            named = {"issuer": url, "authorization_endpoint": f"{url}/authorize", "token_endpoint": f"{url}/token"}
            more = {"jwks_uri": f"{url}/jwks", "id_token_signing_alg_values_supported": ["ES256"]}
            self._answer(200, named | more)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            shown = f"{body} {self.headers['Authorization']}"
            self._answer(401, {"error": "invalid_client", "error_description": f"wrong: {shown}"})

        def _answer(self, status: int, body: dict[str, object]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()


def fail_at_provider(place: Place) -> str:
    """Try to sign in at the provider; return the page that says why that did not work."""
    with browser_at(place) as browser:
        sent = browser.get("/sign-in/provider")
        state = httpx.URL(sent.headers["location"]).params["state"]
        back = browser.get("/sign-in/callback", params={"state": state, "code": "a-code"})
    assert back.status_code >= 400, back.text
    return back.text
