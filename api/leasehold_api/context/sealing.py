"""Sealing of secrets: AES-256-GCM, with a data key per secret that is wrapped by a key-encryption key (KEK).

The row's identity is authenticated with it, so that a ciphertext moved to another row does not open. The format names
the KEK, so that a rotation rewraps data keys and leaves the secrets' ciphertexts alone::

    0x01 · length of KEK id (1) · KEK id · nonce (12) · wrapped data key (48) · nonce (12) · ciphertext and tag
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = 1
_NONCE = 12
_WRAPPED = 32 + 16
KEK_BYTES = 32


class SealError(Exception):
    """A sealed secret can't be opened: wrong key, moved to another row, or damaged. The text never has the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    kek_id: str
    wrapped: bytes  # nonce, wrapped data key
    body: bytes  # nonce, ciphertext

    def to_bytes(self) -> bytes:
        kek_id = self.kek_id.encode()
        return bytes((_VERSION, len(kek_id))) + kek_id + self.wrapped + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> _Sealed:
        if len(data) < 2 or data[0] != _VERSION:
            raise SealError("the sealed value is of an unknown format: it is damaged, or from a newer version")
        start = 2 + data[1]
        middle = start + _NONCE + _WRAPPED
        if len(data) < middle + _NONCE + 16:
            raise SealError("the sealed value is cut short")
        return cls(kek_id=data[2:start].decode("utf-8", "replace"), wrapped=data[start:middle], body=data[middle:])


class Seals(Protocol):
    """Seals and opens secrets for the rows they are in."""

    def seal(self, plaintext: bytes, *, identity: str) -> bytes:
        """Return ``plaintext`` sealed for the row that ``identity`` names."""
        ...

    def open(self, sealed: bytes, *, identity: str) -> bytes:
        """Return what was sealed for the row that ``identity`` names.

        Raises:
            SealError: if it was sealed for another row, by an unknown key, or is damaged.
        """
        ...


def kek_id_of(sealed: bytes) -> str:
    """Return the id of the key-encryption key that ``sealed`` needs.

    Raises:
        SealError: if it is damaged.
    """
    return _Sealed.from_bytes(sealed).kek_id


class Sealer:
    """Seals and opens secrets with the key-encryption keys it was given."""

    def __init__(self, keks: Mapping[str, bytes], *, active: str) -> None:
        """Take the KEKs by id; ``active`` seals, every one opens.

        Raises:
            ValueError: if a key is not 32 bytes, or the active one is not among them.
        """
        if active not in keks:
            raise ValueError(f"the active key-encryption key {active!r} is not among those given")
        for kek_id, kek in keks.items():
            if len(kek) != KEK_BYTES:
                raise ValueError(f"the key-encryption key {kek_id!r} has {len(kek)} bytes; it must have {KEK_BYTES}")
            if not 0 < len(kek_id.encode()) < 256:
                raise ValueError("the id of a key-encryption key must have 1 to 255 bytes")
        self._keks = {kek_id: AESGCM(kek) for kek_id, kek in keks.items()}
        self._roots = dict(keks)
        self._active = active

    def seal(self, plaintext: bytes, *, identity: str) -> bytes:
        """Return ``plaintext`` sealed for the row that ``identity`` names."""
        data_key = AESGCM.generate_key(256)
        nonce = os.urandom(_NONCE)
        body = nonce + AESGCM(data_key).encrypt(nonce, plaintext, identity.encode())
        return _Sealed(kek_id=self._active, wrapped=self._wrap(data_key, identity), body=body).to_bytes()

    def open(self, sealed: bytes, *, identity: str) -> bytes:
        """Return what was sealed for the row that ``identity`` names.

        Raises:
            SealError: if it was sealed for another row, by an unknown key, or is damaged.
        """
        parts = _Sealed.from_bytes(sealed)
        data_key = self._unwrap(parts, identity)
        try:
            return AESGCM(data_key).decrypt(parts.body[:_NONCE], parts.body[_NONCE:], identity.encode())
        except InvalidTag:
            raise SealError(f"the sealed value of {identity} is damaged") from None

    def rewrapped(self, sealed: bytes, *, identity: str) -> bytes:
        """Return ``sealed`` with its data key wrapped by the active KEK; the ciphertext stays as it is.

        Raises:
            SealError: as ``open`` does.
        """
        parts = _Sealed.from_bytes(sealed)
        if parts.kek_id == self._active:
            return sealed
        wrapped = self._wrap(self._unwrap(parts, identity), identity)
        return _Sealed(kek_id=self._active, wrapped=wrapped, body=parts.body).to_bytes()

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """Return a key for one purpose from each KEK (HKDF, RFC 5869), the active one's first.

        For what every process of the service must be able to check and nothing has to keep.
        """
        ids = [self._active, *(kek_id for kek_id in self._roots if kek_id != self._active)]
        return tuple(_hkdf(self._roots[kek_id], purpose) for kek_id in ids)

    def _wrap(self, data_key: bytes, identity: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._keks[self._active].encrypt(nonce, data_key, _wrap_identity(self._active, identity))

    def _unwrap(self, parts: _Sealed, identity: str) -> bytes:
        kek = self._keks.get(parts.kek_id)
        if kek is None:
            raise SealError(
                f"{identity} was sealed with the key-encryption key {parts.kek_id!r}, which this server does not have: "
                "restore that key file"
            )
        aad = _wrap_identity(parts.kek_id, identity)
        try:
            return kek.decrypt(parts.wrapped[:_NONCE], parts.wrapped[_NONCE:], aad)
        except InvalidTag:
            raise SealError(
                f"{identity} does not open with the key-encryption key {parts.kek_id!r}: the key file is another one, "
                "or the value was moved here from another row"
            ) from None


def _hkdf(root: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"leasehold\x00" + purpose.encode()).derive(root)


def _wrap_identity(kek_id: str, identity: str) -> bytes:
    # Another prefix than the body's, so that a wrapped key and a body can never stand in for each other.
    return b"data key\x00" + kek_id.encode() + b"\x00" + identity.encode()
