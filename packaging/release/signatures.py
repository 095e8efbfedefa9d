"""Detached signatures of what sites download, as ``ssh-keygen -Y verify`` checks them (PROTOCOL.sshsig of OpenSSH).

Nearly every machine has ssh-keygen; it needs no keyring and no network. A signature names what it is for
(``NAMESPACE``): one over a repository's metadata never passes for one over a package, though the key is the same.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

from securesystemslib.signer import Key, Signer

from release.workspace import ReleaseError

NAMESPACE = "leasehold-release"
"""What the signatures are for, and whom a signers' file names."""
SUFFIX = ".sig"
SUMS = "SHA256SUMS"
_KEY_TYPE = b"ssh-ed25519"
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASH = b"sha512"
_COLUMNS = 70


def sign_files(folder: Path, signer: Signer) -> list[Path]:
    """Sign the sums of a folder and every file that they name; return the signatures.

    Raises:
        ReleaseError: there are no sums, or a file is not as they say: it would be vouched for unseen.
    """
    files = list(_summed(folder))
    signatures = [file.with_name(file.name + SUFFIX) for file in files]
    for file, signature in zip(files, signatures, strict=True):
        signature.write_text(signature_of(file, signer))
    return signatures


def signature_of(file: Path, signer: Signer) -> str:
    """Return the signature over a file."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha512").digest()
    about = [NAMESPACE.encode(), b"", _HASH]
    made = bytes.fromhex(signer.sign(_MAGIC + _packed(*about, digest)).signature)
    blob = _MAGIC + struct.pack(">I", _VERSION) + _packed(_public(signer.public_key), *about, _packed(_KEY_TYPE, made))
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def signers_line(key: Key) -> str:
    """Return the line of a signers' file by which a site trusts a key for packages, and for nothing else."""
    return f'{NAMESPACE} namespaces="{NAMESPACE}" ssh-ed25519 {base64.b64encode(_public(key)).decode()}'


def _summed(folder: Path) -> Iterator[Path]:
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except OSError as error:
        raise ReleaseError(f"{folder / SUMS} can't be read: {error.strerror}. make packages makes it.") from error
    for sum_, _, name in (line.partition("  ") for line in lines):
        file = folder / name
        try:
            found = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise ReleaseError(f"{file} can't be read: {error.strerror}. Make the packages again.") from error
        if found != sum_:
            raise ReleaseError(f"{file} is not what {SUMS} says. Nothing was signed; make the packages again.")
        yield file
    yield folder / SUMS


def _public(key: Key) -> bytes:
    if key.keytype != "ed25519":
        raise ReleaseError(f"packages are signed by an Ed25519 key, not {key.keytype}: release.py key makes one")
    return _packed(_KEY_TYPE, bytes.fromhex(key.keyval["public"]))


def _packed(*texts: bytes) -> bytes:
    """Return texts as SSH writes them: each after its length (RFC 4251, 5)."""
    return b"".join(struct.pack(">I", len(text)) + text for text in texts)
