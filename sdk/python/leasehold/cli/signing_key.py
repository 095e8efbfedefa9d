"""A person's own signing key: Ed25519, in a PEM file (PKCS #8) that only its owner reads, with a passphrase or without.

It never leaves the machine where it is used, and no API ever sees it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from leasehold.cli.errors import WrongInputError
from leasehold_protocol.signed.keys import key_line

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_LARGEST = 64 * 1024
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
_CURE = "Make a key: leasehold keys generate FILE"


class SigningKey:
    """An Ed25519 key pair."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.line = key_line(key.public_key().public_bytes_raw())
        """The public half, ``ed25519:…``: the key's name."""

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some bytes: 64 bytes."""
        return self._key.sign(data)

    def keep(self, file: Path, passphrase: str | None) -> None:
        """Write the key into a new file that only its owner can read.

        Raises:
            WrongInputError: there is such a file already, or the place can't be written to.
        """
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        how = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
        try:
            # O_EXCL: a key that was overwritten is lost, and with it what sites know.
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(pem)
                stream.flush()
                os.fsync(stream.fileno())
        except FileExistsError:
            raise WrongInputError(f"{file} is there already.", "Name a file that is not there yet.") from None
        except OSError as error:
            raise WrongInputError(f"Cannot write {file}: {error.strerror or error}.") from error


def read_signing_key(file: Path, passphrase: Callable[[], str]) -> SigningKey:
    """Return the key in a file. ``passphrase`` is asked when the file needs one.

    Raises:
        WrongInputError: others may read the file, or it holds no such key.
    """
    pem = _read(file)
    is_encrypted = _ENCRYPTED in pem
    key = _parsed(file, pem, passphrase().encode() if is_encrypted else None)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not isinstance(key, Ed25519PrivateKey):
        kind = type(key).__name__.lstrip("_").removesuffix("PrivateKey")
        raise WrongInputError(f"{file} holds a key of another kind ({kind}); DAGs are signed with Ed25519.", _CURE)
    return SigningKey(key)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            pem = stream.read(_LARGEST)
    except OSError as error:
        raise WrongInputError(f"Cannot read {file}: {error.strerror or error}.", _CURE) from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise WrongInputError(f"{file} is a private key, and others than you can get at it.", f"chmod 600 {file}")
    if b"-----BEGIN OPENSSH PRIVATE KEY-----" in pem:
        raise WrongInputError(f"{file} is an OpenSSH key; DAGs are signed with a key of their own.", _CURE)
    if b"PRIVATE KEY-----" not in pem:
        raise WrongInputError(f"{file} holds no private key (PEM, PKCS #8).", _CURE)
    return pem


def _parsed(file: Path, pem: bytes, passphrase: bytes | None) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if passphrase is not None:
            raise WrongInputError(f"The passphrase does not open {file}, or the file is damaged.") from None
        raise WrongInputError(
            f"{file} can't be read as a private key: it is damaged or of an old form.", _CURE
        ) from None
