"""Keys of signers, and manifests signed with them, as ``leasehold deploy --sign`` does it."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from leasehold_protocol.signed.envelope import seal
from leasehold_protocol.signed.keys import key_line
from leasehold_protocol.signed.statement import statement_about, tree_of
from leasehold_protocol.v1.manifest import Manifest
from leasehold_protocol.v1.signing import SignedTask

SIGNED_AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Key:
    """An Ed25519 key pair, the same for the same name."""

    def __init__(self, name: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"."))
        self.line = key_line(self._key.public_key().public_bytes_raw())

    def sign(
        self,
        manifest: Manifest,
        *,
        team: str = "default",
        signed_at: datetime = SIGNED_AT,
        not_after: datetime | None = None,
        named: str | None = None,
    ) -> str:
        """Return a signature of a manifest; ``named`` is the key that it says it is by."""
        said = statement_about(manifest, team=team, signed_at=signed_at, not_after=not_after)
        return seal(said, key=named or self.line, sign=self._key.sign)


def proof_of(manifest: Manifest, index: int, signature: str) -> SignedTask:
    """Return what travels with a lease of a task."""
    path = [each.hex() for each in tree_of(manifest.tasks).path(index)]
    return SignedTask(signature=signature, index=index, path=path)


BUILD, PLANT, STRANGER = Key("build"), Key("plant"), Key("stranger")
