"""Where the sign-in token is kept: the system's keyring when a real one works, else a file that only its owner reads.

A keyring backend is always named, never found by looking around: what the keyring library would pick by itself
may be a plain-text file that calls itself a keyring.
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from leasehold.cli.errors import NotSignedInError
from leasehold.cli.profile import write_private

BACKENDS = (
    "keyring.backends.macOS.Keyring",
    "keyring.backends.Windows.WinVaultKeyring",
    "keyring.backends.SecretService.Keyring",
    "keyring.backends.libsecret.Keyring",
    "keyring.backends.kwallet.DBusKeyring",
)
SERVICE = "leasehold"
PROBE_S = 3.0

T = TypeVar("T")


class TokenStore(Protocol):
    """Keeps one token per API address."""

    @property
    def kind(self) -> str:
        """What the profile records: ``file``, or ``keyring:<backend>``."""
        ...

    def describe(self) -> str:
        """Say where the token is, for a person."""
        ...

    def get(self, url: str) -> str | None:
        """Return the token for ``url``, or none."""
        ...

    def put(self, url: str, token: str) -> None:
        """Keep the token for ``url``."""
        ...

    def drop(self, url: str) -> None:
        """Forget the token for ``url``; none there is fine."""
        ...


class FileStore:
    """Tokens in one file, mode 0600."""

    kind = "file"

    def __init__(self, directory: Path) -> None:
        self._file = directory / "tokens.json"

    def describe(self) -> str:
        """Say where the token is, and that it is not encrypted."""
        return f"the file {self._file} (readable by you only, not encrypted)"

    def get(self, url: str) -> str | None:
        """Return the token for ``url``, or none."""
        return self._all().get(url)

    def put(self, url: str, token: str) -> None:
        """Keep the token for ``url``."""
        self._write(self._all() | {url: token})

    def drop(self, url: str) -> None:
        """Forget the token for ``url``."""
        tokens = self._all()
        if tokens.pop(url, None) is not None:
            self._write(tokens)

    def _all(self) -> dict[str, str]:
        try:
            content = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise NotSignedInError(
                f"{self._file} cannot be read ({type(error).__name__}).",
                "Remove it and sign in again: leasehold login URL",
            ) from error
        return {str(url): str(token) for url, token in content.items()} if isinstance(content, dict) else {}

    def _write(self, tokens: dict[str, str]) -> None:
        write_private(self._file, json.dumps(tokens, indent=2).encode() + b"\n")


class Backend(Protocol):
    """The part of a keyring backend that is used."""

    def get_password(self, service: str, username: str) -> str | None: ...
    def set_password(self, service: str, username: str, password: str) -> None: ...
    def delete_password(self, service: str, username: str) -> None: ...


class KeyringStore:
    """Tokens in one named keyring backend. Every call is bounded: a locked keyring may wait for a dialogue for ever."""

    def __init__(self, name: str, backend: Backend) -> None:
        self._name = name
        self._backend = backend

    @property
    def kind(self) -> str:
        """The name under which the profile records this store."""
        return f"keyring:{self._name}"

    def describe(self) -> str:
        """Say which keyring has the token."""
        return f"the system's keyring ({self._name})"

    def get(self, url: str) -> str | None:
        """Return the token for ``url``, or none."""
        return within(PROBE_S, lambda: self._backend.get_password(SERVICE, url))

    def put(self, url: str, token: str) -> None:
        """Keep the token for ``url``."""
        within(PROBE_S, lambda: self._backend.set_password(SERVICE, url, token))

    def drop(self, url: str) -> None:
        """Forget the token for ``url``."""
        if self.get(url) is not None:
            within(PROBE_S, lambda: self._backend.delete_password(SERVICE, url))

    def works(self) -> bool:
        """Tell whether it keeps, gives back and forgets a value."""
        probe = "leasehold:probe"
        try:
            self.put(probe, "works")
            kept = self.get(probe) == "works"
            self.drop(probe)
        except NotSignedInError:
            return False
        return kept


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns, if it does so in time.

    Raises:
        NotSignedInError: if the keyring fails or does not answer.
    """
    answers: list[T] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            answers.append(call())
        except Exception as error:  # noqa: BLE001 - backends raise what their platform raises; it is told below
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if answers:
        return answers[0]
    what = f"says: {failures[0]}" if failures else f"does not answer within {seconds:g} s"
    raise NotSignedInError(
        f"The keyring that has your token {what}.",
        "Unlock it, or sign in again with the token in a file: leasehold login URL --store file",
    )


def open_backend(name: str) -> Backend | None:
    """Return the named backend, or none where the platform does not have it."""
    module, _, class_name = name.rpartition(".")
    try:
        backend_class = getattr(importlib.import_module(module), class_name)
        if backend_class.priority <= 0:
            return None
        backend: Backend = backend_class()
    except Exception:  # noqa: BLE001 - each platform has its own way of not being there
        return None
    return backend


def working_keyring() -> KeyringStore | None:
    """Return the first real keyring that works on this machine."""
    for name in BACKENDS:
        if (backend := open_backend(name)) is not None and (store := KeyringStore(name, backend)).works():
            return store
    return None


def recorded_store(kind: str, directory: Path) -> TokenStore:
    """Return the store that the profile names.

    Raises:
        NotSignedInError: if it is a keyring that is not here any more.
    """
    if kind == FileStore.kind:
        return FileStore(directory)
    name = kind.removeprefix("keyring:")
    backend = open_backend(name) if name in BACKENDS else None
    if backend is None:
        raise NotSignedInError(
            f"Your token is in the keyring {name}, which cannot be reached from here.",
            "Sign in again: leasehold login URL, or set LEASEHOLD_TOKEN.",
        )
    return KeyringStore(name, backend)
