"""JWKS files that a policy names: whose keys they bring, what is wrong with one, and that a change of one counts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from leasehold_agent.policy.file import PolicyFile
from leasehold_agent.policy.reading import read_policy
from leasehold_protocol.signed.keys import public_jwk
from tests.support.signing import BUILD, PLANT


def with_key_set(folder: Path, document: object) -> Path:
    """Write a policy with a JWKS file beside it, and return the policy."""
    keys, policy = folder / "signers.json", folder / "policy.toml"
    keys.write_text(document if isinstance(document, str) else json.dumps(document))
    policy.write_text(f'version = 1\nruntimes = ["python"]\nteams = ["*"]\ndags = ["*"]\n[signers]\njwks = "{keys}"\n')
    for file in (keys, policy):
        file.chmod(0o644)
    return policy


def test_a_key_set_may_have_several_keys_and_some_of_other_kinds(tmp_path: Path) -> None:
    rsa = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "web"}

    found = read_policy(with_key_set(tmp_path, {"keys": [public_jwk(BUILD.line), rsa, public_jwk(PLANT.line)]}))

    assert found.policy is not None
    assert found.policy.signers is not None
    assert found.policy.signers.keys == [BUILD.line, PLANT.line]
    assert any("key 2 (web) is passed over" in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ("{", "is not JSON"),
        ("[]", "is no JWKS"),
        ({"keys": {}}, "is no JWKS"),
        ({"keys": ["x"]}, "no JWK (an object)"),
        ({"keys": []}, "has no Ed25519 key"),
        ({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}, "has no Ed25519 key"),
        ({"keys": [{"kty": "OKP", "crv": "X25519", "x": "AAAA"}]}, "has no Ed25519 key"),
        ({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]}, "key 1: x is not the 32 bytes"),
        ({"keys": [{"kty": "OKP", "crv": "Ed25519"}]}, "key 1: x is not the 32 bytes"),
        ({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "é"}]}, "key 1: x is not the 32 bytes"),
        ({"keys": [public_jwk(BUILD.line) | {"d": "c2VjcmV0"}]}, "is a private key"),
        ({"keys": [public_jwk(BUILD.line)] * 101}, "has 101 keys"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "is not JSON"),
    ],
)
def test_a_key_set_that_can_not_be_used_lets_nothing_run_and_says_why(
    tmp_path: Path, document: object, part: str
) -> None:
    found = read_policy(with_key_set(tmp_path, document))

    assert found.policy is None
    (mistake,) = map(str, found.mistakes)
    assert mistake.startswith(f"line 6: signers.jwks: {tmp_path / 'signers.json'} ")
    assert part in mistake
    assert "c2VjcmV0" not in mistake


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
def test_a_key_set_of_somebody_else_is_refused(tmp_path: Path) -> None:
    policy = with_key_set(tmp_path, {"keys": [public_jwk(BUILD.line)]})
    os.chown(tmp_path / "signers.json", 4711, 4711)

    assert "belongs to user 4711" in str(read_policy(policy).mistakes[0])


def test_a_key_set_that_others_may_write_is_refused(tmp_path: Path) -> None:
    policy = with_key_set(tmp_path, {"keys": [public_jwk(BUILD.line)]})
    (tmp_path / "signers.json").chmod(0o666)

    assert "can be written by others" in str(read_policy(policy).mistakes[0])


def test_a_changed_key_set_is_another_policy_and_a_lost_one_lets_nothing_run_until_it_is_back(tmp_path: Path) -> None:
    file = PolicyFile(with_key_set(tmp_path, {"keys": [public_jwk(BUILD.line)]}))
    keys, first = tmp_path / "signers.json", file.fingerprint
    settle(file)

    keys.write_text(json.dumps({"keys": [public_jwk(PLANT.line)]}))
    settle(file)
    assert file.fingerprint not in (None, first)

    kept = keys.read_text()
    keys.unlink()
    settle(file)
    assert file.policy is None
    assert "signers.json does not exist" in (file.problem or "")

    keys.write_text(kept)
    keys.chmod(0o644)
    settle(file)
    assert file.problem is None


def settle(file: PolicyFile) -> None:
    """Look until there is nothing new."""
    while any([file.look(), file.look(), file.look()]):
        pass
