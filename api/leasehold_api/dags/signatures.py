"""Signatures of DAGs as the API sees them: whether one fits what is deployed with it, and what people are shown.

The API decides nothing by them: whose signature counts is the word of each site's own policy. It checks so that an
author hears of a mistake at once, and not from a site.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from leasehold_api.errors import InvalidRequestError
from leasehold_protocol.signed.envelope import EnvelopeError, opened
from leasehold_protocol.signed.statement import is_about_manifest
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.signing import SignatureFacts


def check_signature(manifest: Manifest, signature: str, *, team: str) -> None:
    """Refuse a signature that sites would refuse.

    Raises:
        InvalidRequestError: it is none, or was made over something else.
    """
    try:
        envelope = opened(signature)
    except EnvelopeError as error:
        raise InvalidRequestError(f"signature: {error}; make one with: leasehold deploy --sign KEYFILE") from None
    if not envelope.fits(_verify):
        raise InvalidRequestError("signature: the key that it names did not make it; deploy again with --sign")
    if not is_about_manifest(envelope.statement, manifest, team=team):
        raise InvalidRequestError(
            f"signature: it was made over another manifest, or for another team than {team!r}; deploy again with "
            "--sign, with a leasehold command that is not newer than the API"
        )


def signature_facts(signature: str) -> SignatureFacts | None:
    """Return what people are shown of a stored signature; none when it is none any more."""
    try:
        envelope = opened(signature)
    except EnvelopeError:
        return None
    said = envelope.statement
    return SignatureFacts(key=envelope.key, signed_at=said.signed_at, not_after=said.not_after)


def _verify(key: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True
