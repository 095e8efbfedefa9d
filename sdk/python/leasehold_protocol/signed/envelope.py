"""The signature as it travels: a JWS in its compact form (RFC 7515, RFC 9864) whose key id is the public key itself.

The signed bytes travel with it, so nobody has to write a statement again, letter by letter, to check it. One algorithm
and one type are known, and the header is compared as a whole: there is nothing in it to negotiate.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from leasehold_protocol.signed.keys import base64url, public_bytes, unbase64url
from leasehold_protocol.v1.signing import DagStatement

TYPE = "leasehold-dag+jws"
Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key of 32 bytes, signature, signed bytes) → whether Ed25519 says that they fit."""


class EnvelopeError(ValueError):
    """It is no signature of a DAG; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A signature, taken apart. Nothing of it is known to be true before ``fits``."""

    key: str
    """The public key that it names, ``ed25519:…``."""
    statement: DagStatement
    signature: bytes
    signed: bytes

    def fits(self, verify: Verify) -> bool:
        """Say whether the key that it names made it."""
        return verify(public_bytes(self.key), self.signature, self.signed)


def seal(statement: DagStatement, *, key: str, sign: Callable[[bytes], bytes]) -> str:
    """Return the signature of a statement.

    Args:
        statement: what is said.
        key: the public key, ``ed25519:…``.
        sign: makes the Ed25519 signature of some bytes, 64 bytes.
    """
    payload = statement.model_dump_json(exclude_none=True).encode()
    signed = f"{_header(key)}.{base64url(payload)}"
    return f"{signed}.{base64url(sign(signed.encode()))}"


def opened(text: str) -> Envelope:
    """Take a signature apart.

    Raises:
        EnvelopeError: it is none, or one of another kind.
    """
    parts = text.split(".")
    if len(parts) != 3:
        raise EnvelopeError("it is not a JWS in compact form")
    try:
        header, payload, signature = map(unbase64url, parts)
        key = json.loads(header)["kid"]
        public_bytes(key)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EnvelopeError("it names no Ed25519 key") from None
    if parts[0] != _header(key):
        raise EnvelopeError(f"its header is not the one of {TYPE} by Ed25519")
    try:
        statement = DagStatement.model_validate_json(payload)
    except ValidationError:
        raise EnvelopeError("what it signs is no statement about a DAG of a known version") from None
    return Envelope(key=key, statement=statement, signature=signature, signed=f"{parts[0]}.{parts[1]}".encode())


def _header(key: str) -> str:
    header = {"alg": "Ed25519", "kid": key, "typ": TYPE}
    return base64url(json.dumps(header, separators=(",", ":")).encode())
