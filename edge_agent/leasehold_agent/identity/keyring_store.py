"""Keys in the operating system's keyring, through one explicitly named backend."""

from __future__ import annotations

import base64
import binascii
import importlib
import secrets
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from leasehold_agent.identity.key_store import KeyMissingError, StoreKind, StoreUnreachableError

PROBE_TIMEOUT_S = 5.0
_SERVICE = "leasehold-agent"
T = TypeVar("T")


class Backend(Protocol):
    """What is used of ``keyring.backend.KeyringBackend``."""

    def set_password(self, service: str, username: str, password: str) -> None: ...
    def get_password(self, service: str, username: str) -> str | None: ...
    def delete_password(self, service: str, username: str) -> None: ...


class KeyringStore:
    """A keyring. Every call runs in a thread of its own: some backends wait for a person who is not there."""

    kind: StoreKind = "keyring"

    def __init__(self, backend: Backend, name: str, *, timeout_s: float = PROBE_TIMEOUT_S) -> None:
        self._backend = backend
        self._timeout_s = timeout_s
        self.backend_name = name

    @classmethod
    def open(cls, name: str | None) -> KeyringStore:
        """Return the store on the backend class ``name`` (``module.Class``), after a probe: set, get, delete.

        Raises:
            StoreUnreachableError: there is no such backend, or it does not keep what it is given.
        """
        if name is None:
            raise StoreUnreachableError(
                "there is no keyring here: no session bus (DBUS_SESSION_BUS_ADDRESS is not set)"
            )
        module, _, cls_name = name.rpartition(".")
        try:
            backend: Backend = getattr(importlib.import_module(module), cls_name)()
        except Exception as error:
            raise StoreUnreachableError(f"the keyring backend {name} can't be loaded: {error}") from error
        store = cls(backend, name)
        store.probe()
        return store

    @property
    def description(self) -> str:
        """What it is, for people."""
        return f"the keyring {self.backend_name}"

    def probe(self) -> None:
        """Prove that the keyring keeps and gives back.

        Raises:
            StoreUnreachableError: it does not, or does not answer in time.
        """
        name, value = f"probe-{secrets.token_hex(4)}", secrets.token_bytes(16)
        self.put(name, value)
        try:
            kept = self.get(name)
        except KeyMissingError:
            raise StoreUnreachableError(f"{self.description} forgets what it is given") from None
        if kept != value:
            raise StoreUnreachableError(f"{self.description} gives back something else than it was given")
        self.delete(name)

    def put(self, name: str, secret: bytes) -> None:
        """Keep ``secret``, in place of what was there."""
        text = base64.b64encode(secret).decode()
        self._bounded(lambda: self._backend.set_password(_SERVICE, name, text))

    def get(self, name: str) -> bytes:
        """Return what was put.

        Raises:
            KeyMissingError: nothing was put under ``name``.
        """
        text = self._bounded(lambda: self._backend.get_password(_SERVICE, name))
        if text is None:
            raise KeyMissingError(name)
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise StoreUnreachableError(f"{self.description} holds something else under {name}") from error

    def delete(self, name: str) -> None:
        """Forget ``name``."""
        if self._bounded(lambda: self._backend.get_password(_SERVICE, name)) is not None:
            self._bounded(lambda: self._backend.delete_password(_SERVICE, name))

    def _bounded(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns within the time-out; a thread that hangs is left behind, as a daemon."""
        results: SimpleQueue[tuple[T | None, Exception | None]] = SimpleQueue()

        def run() -> None:
            try:
                results.put((call(), None))
            except Exception as error:  # noqa: BLE001 - carried over to the waiting thread, which raises it
                results.put((None, error))

        threading.Thread(target=run, name="keyring", daemon=True).start()
        try:
            value, error = results.get(timeout=self._timeout_s)
        except Empty:
            raise StoreUnreachableError(f"{self.description} did not answer within {self._timeout_s:.0f} s") from None
        if error is not None:
            raise StoreUnreachableError(f"{self.description} refused: {error}") from error
        return value  # type: ignore[return-value]  # without an error the first half is what `call` returned
