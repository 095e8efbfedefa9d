"""A provider that lies signs nobody in, whatever it lies about."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from typer.testing import CliRunner

from leasehold_api.cli import app as command
from leasehold_api.config import Settings, SettingsError, load
from leasehold_api.people.group_roles import GroupRoles
from leasehold_api.people.provider import Identity, Provider, ProviderAwayError, ProviderError, Registration
from leasehold_api.people.provider_users import name_for
from leasehold_protocol.v1.fleet import Role
from tests.support.lying_provider import CLIENT, ISSUER, LyingProvider


class Clock:
    """A clock that the test moves."""

    at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Meeting:
    """The client and the provider."""

    provider: LyingProvider
    client: Provider
    clock: Clock

    async def sign_in(self, **more: Any) -> Identity:
        """Go there and come back with a code."""
        journey = await self.client.begin()
        self.provider.nonce = journey.nonce
        back = {"code": "c", "issuer": ISSUER, "nonce": journey.nonce, "code_verifier": journey.code_verifier, **more}
        return await self.client.finish(**back)


@pytest.fixture
async def meeting() -> AsyncIterator[Meeting]:
    clock = Clock()
    registration = Registration(
        issuer=ISSUER,
        client_id=CLIENT,
        secret_file=None,
        scopes="openid",
        groups_claim="groups",
        name_claim="preferred_username",
        redirect_uri="https://leasehold.example/sign-in/callback",
    )
    client, provider = Provider(registration, clock=clock), LyingProvider(now=clock.at)
    with provider.answering():
        yield Meeting(provider, client, clock)
    await client.close()


async def test_an_honest_provider_signs_somebody_in(meeting: Meeting) -> None:
    who = await meeting.sign_in()

    assert (who.subject, who.name, who.groups) == ("s-1", "author-1", ("data",))
    assert "code_verifier=" in meeting.provider.last_form


async def test_people_are_sent_with_pkce_state_and_nonce(meeting: Meeting) -> None:
    one, two = await meeting.client.begin(), await meeting.client.begin()

    query = parse_qs(urlsplit(one.address).query)
    assert query["code_challenge_method"] == ["S256"]
    assert (query["state"], query["nonce"]) == ([one.state], [one.nonce])
    assert one.code_verifier not in one.address
    assert len({one.state, two.state, one.nonce, two.nonce, one.code_verifier, two.code_verifier}) == 6


@pytest.mark.parametrize(
    "lie",
    [
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": ["somebody-else"]},
        {"aud": [CLIENT, "somebody-else"]},
        {"aud": [CLIENT, "somebody-else"], "azp": "somebody-else"},
        {"aud": None},
        {"azp": "somebody-else"},
        {"exp": 1_799_999_000},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"iat": 1_800_000_900},
        {"iat": None},
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": 7},
        {"at_hash": "AAAA"},
        {"at_hash": 7},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
    ids=json.dumps,
)
async def test_a_wrong_claim_signs_nobody_in(meeting: Meeting, lie: dict[str, Any]) -> None:
    meeting.provider.claims = lie

    with pytest.raises(ProviderError, match="ID token"):
        await meeting.sign_in()


def unsigned(provider: LyingProvider) -> str:
    """Return a token that says it needs no signature."""
    parts = ({"alg": "none", "kid": "k1"}, provider.true_claims())
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def signed_with_the_public_key(provider: LyingProvider) -> str:
    """Return a token whose HMAC key is the provider's public key: the old confusion of algorithms."""
    secret = OctKey.import_key(json.dumps(provider.key.as_dict(private=False)).ljust(64))
    return jwt.encode({"alg": "HS256", "kid": "k1"}, provider.true_claims(), secret, algorithms=["HS256"])


def by_another_key(provider: LyingProvider) -> str:
    """Return a token by a key that only pretends to be the provider's."""
    other = ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": "k1"}, provider.true_claims(), other, algorithms=["ES256"])


def by_an_algorithm_that_is_not_offered(provider: LyingProvider) -> str:
    """Return a good token by an algorithm that the metadata does not have."""
    key = RSAKey.generate_key(2048, {"kid": "rsa"})
    provider.published = [key.as_dict(private=False)]
    return jwt.encode({"alg": "RS256", "kid": "rsa"}, provider.true_claims(), key, algorithms=["RS256"])


def with_its_own_key_inside(provider: LyingProvider) -> str:
    """Return a token that brings the key to check it with."""
    other = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "jwk": other.as_dict(private=False), "kid": "k2"}
    return jwt.encode(header, provider.true_claims(), other, algorithms=["ES256"])


@pytest.mark.parametrize(
    "token",
    [
        unsigned,
        signed_with_the_public_key,
        by_another_key,
        by_an_algorithm_that_is_not_offered,
        with_its_own_key_inside,
        lambda _provider: "rubbish",
        lambda _provider: "",
        lambda _provider: "a.b.c.d.e",
    ],
)
async def test_a_wrong_signature_signs_nobody_in(meeting: Meeting, token: Any) -> None:
    meeting.provider.token = token

    with pytest.raises(ProviderError, match="ID token"):
        await meeting.sign_in()


@pytest.mark.parametrize("issuer", ["https://evil.example", None])
async def test_an_answer_that_does_not_say_from_whom_is_refused(meeting: Meeting, issuer: str | None) -> None:
    with pytest.raises(ProviderError, match="another provider"):
        await meeting.sign_in(issuer=issuer)


async def test_a_new_key_is_found_and_unknown_ones_do_not_make_us_ask_on_and_on(meeting: Meeting) -> None:
    await meeting.sign_in()
    meeting.clock.at += 60
    meeting.provider.key = ECKey.generate_key("P-256", {"kid": "k2"})
    meeting.provider.header = {"kid": "k2"}
    await meeting.sign_in()

    meeting.provider.header = {"kid": "k9"}
    for _ in range(10):
        with pytest.raises(ProviderError):
            await meeting.sign_in()

    assert meeting.provider.keys_read == 2


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519"])
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_ed25519_is_taken_by_both_its_names(meeting: Meeting, alg: str) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "ed"})
    meeting.provider.metadata = {"id_token_signing_alg_values_supported": [alg]}
    meeting.provider.published = [key.as_dict(private=False)]
    meeting.provider.header, meeting.provider.signer = {"alg": alg, "kid": "ed"}, key
    meeting.provider.claims = {"at_hash": None}

    assert (await meeting.sign_in()).subject == "s-1"


async def test_userinfo_about_somebody_else_signs_nobody_in(meeting: Meeting) -> None:
    meeting.provider.claims = {"groups": None}
    meeting.provider.user_info = {"sub": "s-2", "groups": ["platform"]}

    with pytest.raises(ProviderError, match="somebody else"):
        await meeting.sign_in()


async def test_userinfo_adds_groups_and_overrides_nothing_that_was_signed(meeting: Meeting) -> None:
    meeting.provider.claims = {"groups": None}
    meeting.provider.user_info = {"sub": "s-1", "groups": ["data"], "preferred_username": "somebody-else"}

    who = await meeting.sign_in()

    assert (who.groups, who.name) == (("data",), "author-1")


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"issuer": ISSUER + "/"}, "to the letter"),
        ({"issuer": None}, "to the letter"),
        ({"token_endpoint": None}, "no token_endpoint"),
        ({"token_endpoint": "http://provider.example/token"}, "must be https"),
        ({"jwks_uri": "file:///etc/passwd"}, "must be https"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "let it use one of"),
        ({"code_challenge_methods_supported": ["plain"]}, "S256"),
    ],
)
async def test_metadata_that_can_not_be_used_is_explained(
    meeting: Meeting, metadata: dict[str, Any], told: str
) -> None:
    meeting.provider.metadata = metadata

    with pytest.raises(ProviderError, match=told):
        await meeting.client.begin()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(503),
        httpx.Response(500, json={"error": "server_error"}),
    ],
)
async def test_a_provider_that_is_away_is_tried_later(meeting: Meeting, answer: Any) -> None:
    meeting.provider.refusal = answer

    with pytest.raises(ProviderAwayError):
        await meeting.sign_in()


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(400, json={"error": "invalid_grant"}), httpx.Response(200, text="<html>"), httpx.Response(302)],
)
async def test_a_provider_that_refuses_is_refused(meeting: Meeting, answer: httpx.Response) -> None:
    meeting.provider.refusal = answer

    with pytest.raises(ProviderError, match="refused to give its tokens"):
        await meeting.sign_in()


def test_groups_become_roles_and_the_highest_counts() -> None:
    roles = GroupRoles(["a=plant:viewer", "b=plant:operator", "cn=ops,ou=x=metering:author", "root=*:platform-admin"])

    granted = roles.granted(["b", "a", "cn=ops,ou=x", "unknown"])

    assert granted.roles == {"plant": Role.OPERATOR, "metering": Role.AUTHOR}
    assert not granted.is_platform_admin
    assert roles.granted(["root"]).is_platform_admin
    assert not roles.granted(["A", ""]).is_something


@pytest.mark.parametrize("entry", ["", "a", "a=b", "a=:viewer", "=t:viewer", "a=t:emperor", "a=*:admin", "a=t:"])
def test_an_entry_of_oidc_roles_that_can_not_be_read_is_named(entry: str) -> None:
    with pytest.raises(SettingsError, match="group=team:role"):
        GroupRoles(["a=t:viewer", entry])


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("Author 1", "author-1"),
        ("A@B.example", "a@b.example"),
        ("../..", "user"),
        ("Ärger", "rger"),
        ("x" * 500, "x" * 120),
    ],
)
def test_a_name_from_the_provider_can_stand_in_a_path(wanted: str, got: str) -> None:
    assert name_for(wanted, 1) == got
    assert name_for(wanted, 3) == got + "-3"


@pytest.mark.parametrize(
    "flags",
    [
        {"oidc_issuer": "https://p.example"},
        {"oidc_client_id": "x"},
        {"local_sign_in": False},
        {"oidc_issuer": "http://p.example", "oidc_client_id": "x"},
        {"oidc_scopes": "profile"},
    ],
)
def test_settings_by_which_nobody_could_sign_in_are_refused(flags: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        load(flags)


def test_an_issuer_keeps_its_slash() -> None:
    settings = Settings(oidc_issuer="https://p.example/", oidc_client_id="x")

    assert settings.oidc_issuer == "https://p.example/"


def test_check_oidc_says_what_is_wrong_and_what_to_register(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = LyingProvider(now=0)
    monkeypatch.setenv("LEASEHOLD_API_OIDC_ISSUER", ISSUER)
    monkeypatch.setenv("LEASEHOLD_API_OIDC_CLIENT_ID", CLIENT)
    with provider.answering():
        good = CliRunner().invoke(command, ["check-oidc", "--json"])
        provider.published = [{"kty": "oct", "k": "AAAA"}]
        bad = CliRunner().invoke(command, ["check-oidc", "--json"])

    assert (good.exit_code, json.loads(good.stdout)["redirect address"]) == (
        0,
        "http://127.0.0.1:8420/sign-in/callback",
    )
    assert (bad.exit_code, json.loads(bad.stdout)["good"]) == (1, False)
    assert "no key" in json.loads(bad.stdout)["wrong"][0]
    monkeypatch.delenv("LEASEHOLD_API_OIDC_ISSUER")
    monkeypatch.delenv("LEASEHOLD_API_OIDC_CLIENT_ID")
    assert CliRunner().invoke(command, ["check-oidc"]).exit_code == 3
