"""The choice between what a site offers for keeping the agent's key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from leasehold_agent.identity.key_store import KeyStore, StoreKind, StoreUnreachableError
from leasehold_agent.identity.keyring_store import KeyringStore
from leasehold_agent.identity.sealed_file import SealedFileStore, seal_source


def open_store(kind: StoreKind, state_dir: Path, environ: Mapping[str, str], *, backend: str | None = None) -> KeyStore:
    """Return the store of one kind; ``backend`` names the keyring backend, as ``identity.json`` recorded it.

    Raises:
        StoreUnreachableError: it can't be used here.
    """
    if kind == "keyring":
        return KeyringStore.open(backend or default_backend(environ))
    return SealedFileStore(state_dir / "keys", seal_source(state_dir, environ))


def choose_store(wish: Literal["auto", "keyring", "file"], state_dir: Path, environ: Mapping[str, str]) -> KeyStore:
    """Return the store for a new identity: the operator's wish, or the keyring where one answers, or the file.

    Raises:
        StoreUnreachableError: the wish can't be fulfilled.
    """
    if wish != "auto":
        return open_store(wish, state_dir, environ)
    if default_backend(environ) is not None:
        try:
            return open_store("keyring", state_dir, environ)
        except StoreUnreachableError:
            pass  # Nothing was recorded yet, so the other store is as good a first choice.
    return open_store("file", state_dir, environ)


def default_backend(environ: Mapping[str, str]) -> str | None:
    """Return this system's keyring backend by name; none where there can't be one.

    Named, never found by keyring's own search: that may pick a backend which keeps plain text.
    """
    if os.name == "nt":
        return "keyring.backends.Windows.WinVaultKeyring"
    if os.uname().sysname == "Darwin":
        return "keyring.backends.macOS.Keyring"
    if environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return "keyring.backends.SecretService.Keyring"
    return None
