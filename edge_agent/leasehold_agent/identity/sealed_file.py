"""Keys in files of mode 0600, sealed with AES-256-GCM under a key that comes from elsewhere where possible."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from leasehold_agent.durable import write_durably
from leasehold_agent.identity.key_store import KeyMissingError, StoreKind, StoreUnreachableError

CREDENTIAL = "leasehold-agent-key"
SECRET_FILE_VARIABLE = "LEASEHOLD_AGENT_SEAL_KEY_FILE"  # noqa: S105 - a variable's name
VARIABLE = "LEASEHOLD_AGENT_SEAL_KEY"
_NONCE_BYTES = 12
_SHORTEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SealSource:
    """Where the sealing key comes from."""

    name: str
    description: str
    path: Path | None = None
    text: bytes | None = None
    makes_own: bool = False
    """It may make the key when there is none."""

    def __repr__(self) -> str:
        return f"SealSource({self.name})"

    def key(self) -> bytes:
        """Return the 256-bit sealing key.

        Raises:
            StoreUnreachableError: it can't be read, others may read it, or it is too short to be a key.
        """
        material = self.text if self.text is not None else self._read()
        if len(material) < _SHORTEST:
            raise StoreUnreachableError(f"the sealing key ({self.name}) is shorter than {_SHORTEST} bytes")
        return hashlib.sha256(b"leasehold-agent seal v1\0" + material).digest()

    def _read(self) -> bytes:
        path = self.path
        if path is None:
            raise StoreUnreachableError(f"the sealing key ({self.name}) has no place")
        try:
            if self.makes_own and not path.exists():
                write_durably(path, secrets.token_bytes(32))
            if self.makes_own and path.stat().st_mode & 0o077:
                raise StoreUnreachableError(f"others may read {path}: run chmod 600 on it")
            return path.read_bytes()
        except OSError as error:
            raise StoreUnreachableError(f"the sealing key {path} can't be read: {error.strerror}") from error


def seal_source(state_dir: Path, environ: Mapping[str, str]) -> SealSource:
    """Return the best source of a sealing key that this machine offers."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory and (Path(directory) / CREDENTIAL).exists():
        path = Path(directory) / CREDENTIAL
        return SealSource(name="credential", path=path, description="sealed with a systemd credential")
    if file := environ.get(SECRET_FILE_VARIABLE):
        return SealSource(name="secret-file", path=Path(file), description=f"sealed with the key in {file}")
    if text := environ.get(VARIABLE):
        return SealSource(name="environment", text=text.encode(), description="sealed with a key from the environment")
    path = state_dir / "keys" / "seal.key"
    return SealSource(
        name="key-file",
        path=path,
        makes_own=True,
        description="the sealing key lies beside it, so whoever can read this user's files can read the agent's key",
    )


class SealedFileStore:
    """One sealed file per name."""

    kind: StoreKind = "file"

    def __init__(self, directory: Path, source: SealSource) -> None:
        self._directory = directory
        self._source = source

    @property
    def description(self) -> str:
        """What it is and what it protects against, for people."""
        return f"a sealed file under {self._directory} ({self._source.description})"

    def put(self, name: str, secret: bytes) -> None:
        """Seal and keep ``secret``, in place of what was there."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            nonce = secrets.token_bytes(_NONCE_BYTES)
            sealed = AESGCM(self._source.key()).encrypt(nonce, secret, name.encode())
            document = {
                "v": 1,
                "alg": "A256GCM",
                "sealed_by": self._source.name,
                "data": base64.b64encode(nonce + sealed).decode(),
            }
            write_durably(self._path(name), json.dumps(document).encode())
        except OSError as error:
            raise StoreUnreachableError(f"{self._directory} can't be written: {error.strerror}") from error

    def get(self, name: str) -> bytes:
        """Return what was put.

        Raises:
            KeyMissingError: nothing was put under ``name``.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        path = self._path(name)
        sealed_by = "another key"
        try:
            document = json.loads(path.read_bytes())
            sealed_by = str(document["sealed_by"])
            data = base64.b64decode(document["data"])
            return AESGCM(self._source.key()).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], name.encode())
        except FileNotFoundError:
            raise KeyMissingError(name) from None
        except OSError as error:
            raise StoreUnreachableError(f"{path} can't be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise StoreUnreachableError(f"{path} is damaged") from error
        except InvalidTag as error:
            found = f"it was sealed by {sealed_by}, and now the sealing key comes from {self._source.name}"
            raise StoreUnreachableError(f"{path} can't be opened: {found}") from error

    def delete(self, name: str) -> None:
        """Forget ``name``."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnreachableError(f"{self._path(name)} can't be removed: {error.strerror}") from error

    def _path(self, name: str) -> Path:
        if os.sep in name or name.startswith("."):
            raise ValueError(f"not a key's name: {name!r}")
        return self._directory / f"{name}.sealed"
