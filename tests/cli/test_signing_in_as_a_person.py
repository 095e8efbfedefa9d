"""People sign in with a code or the browser; what they got is renewed without a word, and given back by logout."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from urllib.request import urlopen

import httpx
import pytest
import respx

from leasehold.cli import entering, token_store
from leasehold.cli.credentials import SignedInPerson
from leasehold.cli.errors import NotSignedInError
from leasehold.cli.kept_sign_in import KeptSignIn, read_sign_in
from leasehold.cli.loopback import Loopback
from leasehold.cli.token_store import FileStore
from leasehold_protocol.v1.fleet import Role, WhoAmI
from leasehold_protocol.v1.problems import ProblemCode
from tests.cli.answers import NOON, refused, said
from tests.cli.conftest import URL, Leasehold

OPERATOR = WhoAmI(name="operator-1", kind="user", role=Role.OPERATOR, team="metering", expires_at=NOON)
CODES = {
    "device_code": "lhd_device",
    "user_code": "WDJB-MJHT",
    "verification_uri": f"{URL}/device",
    "verification_uri_complete": f"{URL}/device?user_code=WDJB-MJHT",
    "expires_in": 600,
    "interval": 5,
}


@pytest.fixture(autouse=True)
def no_keyring_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A machine without a keyring, on which time passes at once."""
    monkeypatch.setattr(token_store, "BACKENDS", ())
    paused: list[float] = []
    monkeypatch.setattr(entering.enter_with_code, "__kwdefaults__", {"pause": paused.append})
    return paused


def tokens(number: int, *, expires_in: float = 600) -> httpx.Response:
    """An answer of the token endpoint."""
    body = {
        "access_token": f"access-{number}",
        "refresh_token": f"refresh-{number}",
        "expires_in": expires_in,
        "token_type": "Bearer",
    }
    return httpx.Response(200, json=body)


def says(error: str) -> httpx.Response:
    """A refusal of an OAuth endpoint."""
    return httpx.Response(400, json={"error": error, "error_description": f"because of {error}"})


@pytest.fixture
def authority(api: respx.Router) -> respx.Router:
    """An API with an authorization server."""
    api.get("/.well-known/oauth-authorization-server").respond(json={"issuer": URL})
    api.post("/oauth/device_authorization").respond(json=CODES)
    return api


def kept_in(directory: Path) -> KeptSignIn:
    """Return what is kept."""
    found = read_sign_in(json.loads((directory / "tokens.json").read_text())[URL])
    assert found is not None
    return found


def test_login_shows_an_address_and_a_code_and_waits(
    leasehold: Leasehold, authority: respx.Router, tmp_path: Path, no_keyring_and_no_waiting: list[float]
) -> None:
    answers = [says("authorization_pending"), says("slow_down"), says("authorization_pending"), tokens(1)]
    asked = authority.post("/oauth/token").mock(side_effect=answers)
    me = authority.get("/v1/whoami").mock(return_value=said(OPERATOR))

    ended = leasehold("login", URL)

    assert ended.code == 0, ended.err
    assert "WDJB-MJHT" in ended.err
    assert f"{URL}/device" in ended.err
    assert "Signed in at http://127.0.0.1:8420 as operator-1 (operator), team metering." in ended.out
    assert no_keyring_and_no_waiting == [5, 5, 10, 10]
    assert dict(parse_qsl(asked.calls.last.request.content.decode()))["client_id"] == "leasehold-cli"
    assert me.calls.last.request.headers["authorization"] == "Bearer access-1"
    assert kept_in(tmp_path / "config").refresh_token == "refresh-1"
    assert "access-1" not in ended.out + ended.err


@pytest.mark.parametrize("error", ["access_denied", "expired_token"])
def test_who_is_not_let_in_is_told_why(
    leasehold: Leasehold, authority: respx.Router, tmp_path: Path, error: str
) -> None:
    authority.post("/oauth/token").mock(return_value=says(error))

    ended = leasehold("login", URL)

    assert ended.code == 3
    assert f"because of {error}" in ended.err
    assert not (tmp_path / "config").exists()


def test_an_api_that_is_known_by_another_address_is_not_signed_in_at(leasehold: Leasehold, api: respx.Router) -> None:
    api.get("/.well-known/oauth-authorization-server").respond(json={"issuer": "https://leasehold.example.org"})

    ended = leasehold("login", URL)

    assert ended.code == 2
    assert "leasehold login https://leasehold.example.org" in ended.err


def test_login_with_the_browser_brings_the_code_back(
    leasehold: Leasehold, api: respx.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.get("/.well-known/oauth-authorization-server").respond(json={"issuer": URL})
    asked = api.post("/oauth/token").mock(return_value=tokens(1))
    api.get("/v1/whoami").mock(return_value=said(OPERATOR))
    pages: list[str] = []

    def browse(page: str) -> bool:
        question = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
        answer = urlencode({"code": "lha_code", "state": question["state"], "iss": URL})
        threading.Thread(target=lambda: pages.append(_open(f"{question['redirect_uri']}?{answer}"))).start()
        return True

    monkeypatch.setattr(entering.enter_with_browser, "__kwdefaults__", {"open_page": browse})

    ended = leasehold("login", URL, "--browser")

    assert ended.code == 0, ended.err
    form = dict(parse_qsl(asked.calls.last.request.content.decode()))
    assert form["code"] == "lha_code"
    assert form["redirect_uri"].startswith("http://127.0.0.1:")
    assert len(form["code_verifier"]) >= 43


def _open(address: str) -> str:
    with urlopen(address, timeout=20) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    "answer",
    [
        {"code": "stolen", "state": "other", "iss": URL},
        {"code": "stolen", "state": "right", "iss": "https://evil.example"},
        {"code": "stolen", "state": "right"},
        {"code": "stolen"},
    ],
)
def test_what_the_browser_did_not_bring_from_the_api_is_not_taken(answer: dict[str, str]) -> None:
    with Loopback(state="right", issuer=URL) as loopback, ThreadPoolExecutor() as pool:
        waiting = pool.submit(loopback.wait, 20)
        refused = httpx.get(loopback.address, params=answer)
        shown = httpx.get(loopback.address, params={"code": "right", "state": "right", "iss": URL})

        assert waiting.result(20) == "right"
        assert refused.status_code == 404
        assert "You are signed in" in shown.text
        assert shown.headers["cache-control"] == "no-store"


def keep(directory: Path, kept: KeptSignIn) -> SignedInPerson:
    """Keep a sign-in and return its credentials."""
    store = FileStore(directory)
    store.put(URL, kept.text)
    return SignedInPerson(kept, store=store, url=URL, directory=directory)


def ended_sign_in() -> KeptSignIn:
    """A sign-in whose access token has ended."""
    return KeptSignIn(access_token="access-0", refresh_token="refresh-0", expires_at=time.time() - 1)


def test_an_access_token_that_ends_is_renewed_without_a_word(api: respx.Router, tmp_path: Path) -> None:
    asked = api.post("/oauth/token").mock(return_value=tokens(1))

    credentials = keep(tmp_path, ended_sign_in())

    assert [credentials.current(), credentials.current()] == ["access-1", "access-1"]
    assert asked.call_count == 1
    assert kept_in(tmp_path).refresh_token == "refresh-1"


def test_commands_at_the_same_time_renew_once(api: respx.Router, tmp_path: Path) -> None:
    asked = api.post("/oauth/token").mock(return_value=tokens(1))
    several = [keep(tmp_path, ended_sign_in()) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda credentials: credentials.current(), several))

    assert found == ["access-1"] * 8
    assert asked.call_count == 1, "a second use of a refresh token would end the sign-in"


def test_a_sign_in_that_has_ended_says_so(api: respx.Router, tmp_path: Path) -> None:
    api.post("/oauth/token").mock(return_value=says("invalid_grant"))

    with pytest.raises(NotSignedInError) as error:
        keep(tmp_path, ended_sign_in()).current()

    assert error.value.cure == f"leasehold login {URL}"
    assert "refresh-0" not in str(error.value)


def _sign_in(leasehold: Leasehold, authority: respx.Router) -> Any:
    token = authority.post("/oauth/token").mock(return_value=tokens(1))
    authority.get("/v1/whoami").mock(return_value=said(OPERATOR))
    assert leasehold("login", URL).code == 0
    return token


def test_a_token_that_the_api_calls_expired_is_replaced_and_the_request_sent_again(
    leasehold: Leasehold, authority: respx.Router
) -> None:
    token = _sign_in(leasehold, authority)
    token.mock(return_value=tokens(2))
    expired = refused(401, ProblemCode.TOKEN_EXPIRED, "The access token has expired.")
    me = authority.get("/v1/whoami").mock(side_effect=[expired, said(OPERATOR)])

    ended = leasehold("whoami")

    assert ended.code == 0, ended.err
    assert me.calls.last.request.headers["authorization"] == "Bearer access-2"
    assert "sign-in ends" in ended.out


def test_logout_ends_the_sign_in_at_the_api(leasehold: Leasehold, authority: respx.Router, tmp_path: Path) -> None:
    _sign_in(leasehold, authority)
    revoked = authority.post("/oauth/revoke").respond(json={})

    ended = leasehold("logout")

    assert ended.code == 0
    assert dict(parse_qsl(revoked.calls.last.request.content.decode()))["token"] == "refresh-1"
    assert "refresh-1" not in (tmp_path / "config" / "tokens.json").read_text()


def test_logout_says_when_the_sign_in_could_not_be_ended(leasehold: Leasehold, authority: respx.Router) -> None:
    _sign_in(leasehold, authority)
    authority.post("/oauth/revoke").mock(side_effect=httpx.ConnectError("refused"))

    ended = leasehold("logout")

    assert ended.code == 0
    assert "could not be ended at the API" in ended.err
    assert "Signed out" in ended.out


def test_a_browser_and_a_token_file_do_not_go_together(leasehold: Leasehold) -> None:
    assert leasehold("login", URL, "--browser", "--token-file", "-", stdin="lht_x").code == 2
