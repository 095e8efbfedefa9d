"""Signing in: where the token comes from, where it goes, and what is said when it does not work."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import httpx
import pytest
import respx

from leasehold.cli import token_store
from leasehold_protocol.v1.fleet import Role, WhoAmI
from leasehold_protocol.v1.problems import ProblemCode
from tests.cli.answers import refused, said
from tests.cli.conftest import TOKEN, URL, Leasehold

OPERATOR = WhoAmI(name="operator-1", kind="api_token", role=Role.AUTHOR, team="metering")


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a keyring, unless a test brings one."""
    monkeypatch.setattr(token_store, "BACKENDS", ())


def test_login_checks_the_token_and_keeps_it_in_a_file_that_only_its_owner_reads(
    leasehold: Leasehold, api: respx.Router, tmp_path: Path
) -> None:
    me = api.get("/v1/whoami").mock(return_value=said(OPERATOR))

    ended = leasehold("login", f"{URL}/", "--token-file", "-", stdin=f"{TOKEN}\n")

    assert ended.code == 0
    assert me.calls.last.request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "Signed in at http://127.0.0.1:8420 as operator-1 (author), team metering." in ended.out
    assert "not encrypted" in ended.err
    kept = tmp_path / "config" / "tokens.json"
    assert json.loads(kept.read_text()) == {URL: TOKEN}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_after_login_commands_use_what_was_remembered(leasehold: Leasehold, api: respx.Router) -> None:
    me = api.get("/v1/whoami").mock(return_value=said(OPERATOR))
    leasehold("login", URL, "--token-file", "-", stdin=TOKEN)

    ended = leasehold("whoami", "--json")

    assert json.loads(ended.out)["name"] == "operator-1"
    assert me.calls.last.request.headers["authorization"] == f"Bearer {TOKEN}"


def test_logout_forgets_everything(leasehold: Leasehold, api: respx.Router, tmp_path: Path) -> None:
    api.get("/v1/whoami").mock(return_value=said(OPERATOR))
    leasehold("login", URL, "--token-file", "-", stdin=TOKEN)

    assert leasehold("logout").code == 0

    assert TOKEN not in "".join(file.read_text() for file in (tmp_path / "config").iterdir())
    assert leasehold("whoami").code == 3


def test_the_environment_wins_over_what_was_remembered(
    leasehold: Leasehold, api: respx.Router, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    me = api.get("/v1/whoami").mock(return_value=said(OPERATOR))
    leasehold("login", URL, "--token-file", "-", stdin=TOKEN)
    (tmp_path / "other").write_text("lht_other.token\n")
    monkeypatch.setenv("LEASEHOLD_TOKEN_FILE", str(tmp_path / "other"))

    leasehold("whoami")

    assert me.calls.last.request.headers["authorization"] == "Bearer lht_other.token"


def test_a_refused_token_is_not_kept(leasehold: Leasehold, api: respx.Router, tmp_path: Path) -> None:
    api.get("/v1/whoami").mock(
        return_value=refused(401, ProblemCode.UNAUTHENTICATED, "This token is unknown. It may have been revoked.")
    )

    ended = leasehold("login", URL, "--token-file", "-", stdin=TOKEN)

    assert ended.code == 3
    assert "error: This token is unknown. It may have been revoked." in ended.err
    assert TOKEN not in ended.out + ended.err
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize(
    ("token", "said_about_it"),
    [("", "empty"), ("enr_0123.x", "enrolment token"), ("lht_a b", "white space"), ("lht_ü", "unusual characters")],
)
def test_what_cannot_be_a_token_is_never_sent(leasehold: Leasehold, token: str, said_about_it: str) -> None:
    ended = leasehold("login", URL, "--token-file", "-", stdin=token)

    assert ended.code == 2
    assert said_about_it in ended.err


@pytest.mark.parametrize(
    ("url", "said_about_it"),
    [
        ("127.0.0.1:8420", "https://"),
        ("ftp://api.example.org", "https://"),
        ("http://api.example.org", "in clear"),
        ("https://user:secret@api.example.org", "no user"),
        ("https://api.example.org:99999", "not an address"),
    ],
)
def test_what_is_no_address_is_a_mistake_of_typing(leasehold: Leasehold, url: str, said_about_it: str) -> None:
    ended = leasehold("login", url, "--token-file", "-", stdin=TOKEN)

    assert ended.code == 2
    assert said_about_it in ended.err


def test_without_signing_in_every_command_says_how(leasehold: Leasehold) -> None:
    ended = leasehold("sites", "list")

    assert ended.code == 3
    assert "You are not signed in." in ended.err
    assert "leasehold login URL" in ended.err


def test_a_refused_connection_is_unreachable(leasehold: Leasehold) -> None:
    ended = leasehold("login", "http://127.0.0.1:1", "--token-file", "-", stdin=TOKEN)

    assert ended.code == 4
    assert "Cannot connect to http://127.0.0.1:1" in ended.err
    assert "leasehold-api serve" in ended.err


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Please log in to the Wi-Fi</html>"),
        httpx.Response(404, text="Not Found"),
        httpx.Response(302, headers={"location": "https://sso.example.org"}),
        httpx.Response(502, text="Bad Gateway"),
        httpx.Response(401, text="Unauthorized"),
        httpx.Response(200, json={"hello": "world"}),
    ],
    ids=["login-page", "other-site", "redirect", "proxy", "foreign-401", "other-json"],
)
def test_an_answer_that_is_not_the_apis_means_wrong_address_never_wrong_token(
    leasehold: Leasehold, api: respx.Router, answer: httpx.Response
) -> None:
    api.get("/v1/whoami").mock(return_value=answer)

    assert leasehold("login", URL, "--token-file", "-", stdin=TOKEN).code == 4


class Keyring:
    """A keyring of this test."""

    priority = 5
    kept: dict[tuple[str, str], str]

    def __init__(self) -> None:
        Keyring.kept = getattr(Keyring, "kept", {})

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class BrokenKeyring(Keyring):
    """A keyring that nobody has unlocked."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError("locked")


def test_a_keyring_that_works_is_used_and_leaves_no_token_in_a_file(
    leasehold: Leasehold, api: respx.Router, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(token_store, "BACKENDS", (f"{__name__}.BrokenKeyring", f"{__name__}.Keyring"))
    api.get("/v1/whoami").mock(return_value=said(OPERATOR))

    ended = leasehold("login", URL, "--token-file", "-", stdin=TOKEN)

    assert "the system's keyring" in ended.err
    assert Keyring.kept == {("leasehold", URL): TOKEN}
    assert not (tmp_path / "config" / "tokens.json").exists()
    assert leasehold("whoami").code == 0


def test_a_keyring_that_is_gone_is_said_to_be_gone(leasehold: Leasehold, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    profile = {"url": URL, "team": "default", "token_store": "keyring:keyring.backends.macOS.Keyring"}
    (tmp_path / "config" / "cli.json").write_text(json.dumps(profile))

    ended = leasehold("whoami")

    assert ended.code == 3
    assert "cannot be reached from here" in ended.err
