"""What requests are sent with: an API token, or a person's access token, renewed without a word when it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from leasehold.cli.authority import Authority
from leasehold.cli.errors import NotSignedInError, WrongInputError
from leasehold.cli.kept_sign_in import KeptSignIn, read_sign_in
from leasehold.cli.token_store import TokenStore

LOCK_FILE = "refresh.lock"


class Credentials(Protocol):
    """Gives the token for the next request."""

    def is_ready(self) -> bool:
        """Say whether ``current`` answers at once, without asking anybody."""
        ...

    def current(self) -> str:
        """Return a token that is good now, as far as this machine knows."""
        ...

    def instead_of(self, refused: str) -> str | None:
        """Return another token when the API says that ``refused`` has ended; none when there is no other."""
        ...


class ApiToken:
    """A token that stays as it is."""

    def __init__(self, token: str) -> None:
        self._token = token

    def is_ready(self) -> bool:
        """It always is."""
        return True

    def current(self) -> str:
        """Return it."""
        return self._token

    def instead_of(self, refused: str) -> str | None:  # noqa: ARG002 - the protocol's
        """There is no other."""
        return None


class SignedInPerson:
    """The tokens of a sign-in. Several commands may run at once: one renews them, the others take what it got."""

    def __init__(self, kept: KeptSignIn, *, store: TokenStore, url: str, directory: Path) -> None:
        self._kept = kept
        self._store = store
        self._url = url
        self._directory = directory

    def is_ready(self) -> bool:
        """Say whether the access token is good for a while."""
        return self._kept.is_fresh(now=time.time())

    def current(self) -> str:
        """Return the access token, a new one if it is about to end."""
        if not self.is_ready():
            self._renew(self._kept.access_token)
        return self._kept.access_token

    def instead_of(self, refused: str) -> str | None:
        """Return a new access token."""
        self._renew(refused)
        return self._kept.access_token

    def _renew(self, refused: str) -> None:
        # Refresh tokens count once, and a second use ends the sign-in: so one process renews, under a lock, and who
        # waited for it reads what is kept by then instead of using the old one again.
        with _alone(self._directory / LOCK_FILE):
            newest = read_sign_in(self._store.get(self._url) or "")
            if newest is None:
                raise NotSignedInError(
                    f"You are not signed in at {self._url} any more.", f"leasehold login {self._url}"
                )
            if newest.access_token == refused or not newest.is_fresh(now=time.time()):
                with Authority(self._url) as authority:
                    newest = authority.refresh(newest, now=time.time())
                self._store.put(self._url, newest.text)
            self._kept = newest


@contextmanager
def _alone(file: Path) -> Generator[None]:
    """Hold a lock among all processes of this user; it ends with the process, whatever happens to it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WrongInputError(f"Cannot write {file}: {error.strerror or error}.") from error
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
