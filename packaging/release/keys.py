"""Signing keys: Ed25519 in PEM files, sealed by a passphrase; their public halves as small files to hand around."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, Key, SSlibKey


class KeyFileError(Exception):
    """A key file can't be used; the text says why."""


def make_key(file: Path, passphrase: bytes | None) -> SSlibKey:
    """Make a key in ``file`` (mode 0600), its public half beside it as ``.pub``; return that half."""
    private = Ed25519PrivateKey.generate()
    seal = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, seal)
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise KeyFileError(f"{file} can't be made: {error.strerror}. A key is never overwritten.") from error
    with os.fdopen(fd, "wb") as opened:
        opened.write(pem)
    public = CryptoSigner(private).public_key
    document = {"keyid": public.keyid, **public.to_dict()}
    public_file(file).write_text(json.dumps(document, indent=1) + "\n")
    return public


def public_file(file: Path) -> Path:
    """Return where the public half of a key is."""
    return file.with_suffix(".pub")


def read_public(file: Path) -> Key:
    """Return the key in a ``.pub`` file."""
    try:
        document = json.loads(file.read_text())
        return Key.from_dict(document.pop("keyid"), document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyFileError(f"{file} is no public key of this tool: {error}") from error


def read_signer(file: Path, ask: Callable[[str], str] = getpass.getpass) -> CryptoSigner:
    """Return what signs with the key in a file; its passphrase is asked for when it has one."""
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{file} can't be read: {error.strerror}") from error
    try:
        try:
            private = serialization.load_pem_private_key(pem, None)
        except TypeError:  # it is sealed
            private = serialization.load_pem_private_key(pem, ask(f"Passphrase of {file.name}: ").encode())
    except ValueError as error:
        raise KeyFileError(f"{file} can't be opened: a wrong passphrase, or no key") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"{file} holds another kind of key; make one with: release.py key FILE")
    return CryptoSigner(private)
