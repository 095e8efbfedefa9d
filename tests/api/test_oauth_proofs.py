"""Proofs of possession: what holds for a request, and what does not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasehold_api import clock
from leasehold_api.oauth.possession.proofs import Proof, ProofError, ReplayedProofError, read_proof
from leasehold_api.oauth.possession.replays import UsedProofs
from tests.support.agent_key import AgentKey

URL = "https://leasehold.example/v1/agent/leases"
KEY = AgentKey()


def test_a_right_proof_names_the_key_that_made_it() -> None:
    proof = read_proof(KEY.proof("POST", URL, token="t"), method="POST", url=URL, now=clock.now(), access_token="t")

    assert proof.jkt == KEY.jkt


@pytest.mark.parametrize(
    "same",
    [
        "HTTPS://Leasehold.Example:443/v1/agent/leases",
        "https://leasehold.example/v1/agent/%6Ceases",
        "https://leasehold.example/v1/agent/leases?wait=1#x",
    ],
)
def test_an_address_may_be_spelled_in_another_way(same: str) -> None:
    assert read_proof(KEY.proof("POST", same), method="POST", url=URL, now=clock.now())


@pytest.mark.parametrize(
    ("claims", "header", "says"),
    [
        ({"htm": "GET"}, {}, "another method"),
        ({"htu": "https://evil.example/v1/agent/leases"}, {}, "another address"),
        ({"htu": "http://leasehold.example/v1/agent/leases"}, {}, "another address"),
        ({"htu": "https://leasehold.example/v1/agent/hello"}, {}, "another address"),
        ({"htu": "https://leasehold.example:99999/"}, {}, "another address"),
        ({"htu": None}, {}, "another address"),
        ({"iat": 1_000}, {}, "correct the clock"),
        ({"iat": 4_000_000_000}, {}, "correct the clock"),
        ({"iat": True}, {}, "no iat"),
        ({"iat": None}, {}, "no iat"),
        ({"jti": None}, {}, "jti"),
        ({"jti": ""}, {}, "jti"),
        ({"ath": None}, {}, "another token"),
        ({"ath": "x"}, {}, "another token"),
        ({}, {"typ": "JWT"}, "typ"),
        ({}, {"jwk": None}, "no jwk"),
        ({}, {"jwk": AgentKey().public_jwk}, "signature"),
        ({}, {"jwk": {"kty": "oct", "k": "AAAA"}}, "private key"),
        ({}, {"jwk": {"kty": "EC", "crv": "P-384", "x": "x", "y": "y"}}, "P-256"),
        ({}, {"jwk": {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}}, "P-256"),
        ({}, {"jwk": dict(KEY.key.as_dict(private=True))}, "private key"),
    ],
)
def test_a_wrong_proof_is_refused_and_says_why(claims: dict[str, Any], header: dict[str, Any], says: str) -> None:
    text = KEY.proof("POST", URL, token="t", header=header, **claims)

    with pytest.raises(ProofError, match=says):
        read_proof(text, method="POST", url=URL, now=clock.now(), access_token="t")


def test_an_unsigned_proof_is_refused() -> None:
    def part(value: Any) -> str:
        return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    header = part({"typ": "dpop+jwt", "alg": "none", "jwk": KEY.public_jwk})
    claims = part({"htm": "POST", "htu": URL, "iat": clock.now(), "jti": "x"})

    with pytest.raises(ProofError, match="ES256"):
        read_proof(f"{header}.{claims}.", method="POST", url=URL, now=clock.now())


@given(
    st.text(max_size=200)
    | st.lists(
        st.binary(max_size=60).map(lambda part: urlsafe_b64encode(part).rstrip(b"=").decode()), min_size=3, max_size=3
    ).map(".".join)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5).map(
        lambda value: urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=") + ".e30.AAAA"
    )
)
def test_whatever_is_sent_as_proof_is_refused_politely(text: str) -> None:
    with pytest.raises(ProofError):
        read_proof(text, method="POST", url=URL, now=clock.now())


def test_a_header_of_deeply_nested_json_is_refused_politely() -> None:
    text = urlsafe_b64encode(b"[" * 2900).decode().rstrip("=") + ".e30.AAAA"

    with pytest.raises(ProofError):
        read_proof(text, method="POST", url=URL, now=clock.now())


def _proof(jti: str) -> Proof:
    return Proof(jkt="key", jti=jti, good_until=80.0)


def test_a_proof_counts_once_within_its_window() -> None:
    used = UsedProofs()
    used.use(_proof("a"), now=0.0)

    with pytest.raises(ReplayedProofError):
        used.use(_proof("a"), now=69.0)
    used.use(_proof("a"), now=81.0)


def test_the_memory_of_proofs_is_bounded_and_forgets_the_oldest_first() -> None:
    used = UsedProofs(most=3)
    for jti in "abcd":
        used.use(_proof(jti), now=0.0)

    used.use(_proof("a"), now=0.0)
    with pytest.raises(ReplayedProofError):
        used.use(_proof("d"), now=0.0)
