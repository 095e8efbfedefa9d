"""Where the agent's key is kept: the port."""

from __future__ import annotations

from typing import Literal, Protocol

StoreKind = Literal["keyring", "file"]


class StoreUnreachableError(Exception):
    """The store does not answer, or refuses. The key may well be in it: never a reason to make another."""


class KeyMissingError(Exception):
    """The store answers, and has no such key."""


class KeyStore(Protocol):
    """Keeps small secrets under names. What every implementation promises is tested by one suite.

    All calls block, for a bounded time. They raise ``StoreUnreachableError`` when the store can't be used.
    """

    @property
    def kind(self) -> StoreKind:
        """What ``identity.json`` records."""
        ...

    @property
    def description(self) -> str:
        """What it is and what it protects against, honestly, for people."""
        ...

    def put(self, name: str, secret: bytes) -> None:
        """Keep ``secret`` durably, in place of what was there."""
        ...

    def get(self, name: str) -> bytes:
        """Return what was put.

        Raises:
            KeyMissingError: nothing was put under ``name``.
        """
        ...

    def delete(self, name: str) -> None:
        """Forget ``name``; nothing happens when it is not there."""
        ...
