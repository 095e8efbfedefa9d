"""The agent's key: proofs and assertions as RFC 9449 and RFC 7523 want them, checked with joserfc."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from leasehold_agent.exits import Exit, OperatorError
from leasehold_agent.identity.generation import next_generation
from leasehold_agent.identity.key import AgentKey

NOW = 1_795_000_000.7
URL = "https://api.example.com:8420/v1/task/xcoms/a/b?map_index=-1#x"


def test_a_proof_names_the_request_without_its_query_and_carries_the_public_key_only() -> None:
    key = AgentKey.generate()

    token = jwt.decode(
        key.proof(method="GET", url=URL, now=NOW, token="secret"), ECKey.import_key({**key.public_jwk}), ["ES256"]
    )

    assert token.header == {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk}
    assert set(key.public_jwk) == {"kty", "crv", "x", "y"}
    assert token.claims["htm"] == "GET"
    assert token.claims["htu"] == "https://api.example.com:8420/v1/task/xcoms/a/b"
    assert token.claims["iat"] == int(NOW)
    expected = base64.urlsafe_b64encode(hashlib.sha256(b"secret").digest()).rstrip(b"=").decode()
    assert token.claims["ath"] == expected


def test_a_proof_without_a_token_has_no_ath_and_no_two_proofs_are_the_same() -> None:
    key = AgentKey.generate()
    public = ECKey.import_key({**key.public_jwk})

    first, second = (jwt.decode(key.proof(method="POST", url=URL, now=NOW), public, ["ES256"]).claims for _ in "ab")

    assert "ath" not in first
    assert first["jti"] != second["jti"]


def test_an_assertion_is_for_the_issuer_only_and_good_for_a_minute() -> None:
    key = AgentKey.generate()

    assertion = key.assertion(client_id="agent-1", audience="https://api.example.com", generation=7, now=NOW)
    token = jwt.decode(assertion, ECKey.import_key({**key.public_jwk}), ["ES256"])

    assert token.header == {"typ": "client-authentication+jwt", "alg": "ES256", "kid": key.thumbprint}
    jti = token.claims.pop("jti")
    assert len(jti) >= 16
    assert token.claims == {
        "iss": "agent-1",
        "sub": "agent-1",
        "aud": "https://api.example.com",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        "gen": 7,
    }


def test_a_key_survives_the_store_and_hides_itself() -> None:
    key = AgentKey.generate()

    again = AgentKey.from_der(key.private_der())

    assert again.thumbprint == key.thumbprint
    assert key.private_der().hex() not in repr(key)


def test_generations_only_go_up_and_are_on_disk_before_they_are_used(tmp_path: Path) -> None:
    numbers = [next_generation(tmp_path) for _ in range(3)]

    assert numbers == [1, 2, 3]
    assert (tmp_path / "generation").read_text() == "3\n"


def test_a_damaged_counter_stops_the_agent_instead_of_starting_again(tmp_path: Path) -> None:
    (tmp_path / "generation").write_text("")

    with pytest.raises(OperatorError) as stopped:
        next_generation(tmp_path)

    assert stopped.value.exit_code is Exit.KEY_STORE


def test_no_command_line_takes_a_thumbprint_for_an_option() -> None:
    # Of 500 keys about eight would begin with a dash.
    assert not any(AgentKey.generate().thumbprint.startswith("-") for _ in range(500))
