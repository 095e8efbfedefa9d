"""Public signing keys as text: one line for a policy, a JWK (RFC 8037) for a key set, a fingerprint for people."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from leasehold_protocol.fingerprint import fingerprint

PREFIX = "ed25519:"
SIZE = 32
_LINE = re.compile(r"ed25519:[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
"""32 bytes in base64url: of the last character only four bits count, so every key has one line."""


def key_line(public: bytes) -> str:
    """Return a public key of 32 bytes as ``ed25519:…``, which is also its name."""
    return PREFIX + base64url(public)


def public_bytes(line: str) -> bytes:
    """Return the public key that a line says.

    Raises:
        ValueError: it is no such line.
    """
    if not _LINE.fullmatch(line):
        raise ValueError("a signing key is ed25519: and 43 characters, as leasehold keys show prints it")
    return unbase64url(line.removeprefix(PREFIX))


def public_jwk(line: str) -> dict[str, str]:
    """Return the key as a JWK."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64url(public_bytes(line)),
        "kid": line,
        "use": "sig",
        "alg": "Ed25519",
    }


def key_fingerprint(line: str) -> str:
    """Return the key's fingerprint, ``SHA256:ABCD-…``, from its RFC 7638 thumbprint."""
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{base64url(public_bytes(line))}"}}'
    return fingerprint(base64url(hashlib.sha256(members.encode()).digest()))


def base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unbase64url(text: str) -> bytes:
    """Return what base64url without padding says; only the one text that ``base64url`` writes is taken.

    Raises:
        ValueError: it is none.
    """
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(data) != text:
        raise ValueError("not base64url")
    return data
