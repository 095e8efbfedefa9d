"""Key stores: one promise, kept by every implementation; and what each does when it can't."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from leasehold_agent.identity.key_store import KeyMissingError, KeyStore, StoreUnreachableError
from leasehold_agent.identity.keyring_store import KeyringStore
from leasehold_agent.identity.sealed_file import (
    CREDENTIAL,
    SECRET_FILE_VARIABLE,
    VARIABLE,
    SealedFileStore,
    seal_source,
)
from leasehold_agent.identity.store_choice import choose_store, open_store

KEY = bytes(range(256))


class KeyStoreContract:
    """What every key store promises. A class of tests has the fixture ``store``."""

    def test_it_gives_back_what_was_put(self, store: KeyStore) -> None:
        store.put("agent-north", KEY)

        assert store.get("agent-north") == KEY

    def test_the_last_put_counts(self, store: KeyStore) -> None:
        store.put("agent-north", b"old")
        store.put("agent-north", KEY)

        assert store.get("agent-north") == KEY

    def test_names_are_kept_apart(self, store: KeyStore) -> None:
        store.put("agent-north", b"north")
        store.put("agent-south", b"south")

        assert (store.get("agent-north"), store.get("agent-south")) == (b"north", b"south")

    def test_what_was_never_put_is_missing(self, store: KeyStore) -> None:
        with pytest.raises(KeyMissingError):
            store.get("agent-north")

    def test_what_was_deleted_is_missing_and_deleting_again_does_nothing(self, store: KeyStore) -> None:
        store.put("agent-north", KEY)
        store.delete("agent-north")
        store.delete("agent-north")

        with pytest.raises(KeyMissingError):
            store.get("agent-north")

    def test_it_says_what_it_is(self, store: KeyStore) -> None:
        assert store.kind in ("keyring", "file")
        assert store.description


class MemoryKeyring:
    """A keyring backend in memory."""

    def __init__(self) -> None:
        self.passwords: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, username: str, password: str) -> None:
        self.passwords[service, username] = password

    def get_password(self, service: str, username: str) -> str | None:
        return self.passwords.get((service, username))

    def delete_password(self, service: str, username: str) -> None:
        del self.passwords[service, username]


class TestKeyringStore(KeyStoreContract):
    @pytest.fixture
    def store(self) -> KeyStore:
        return KeyringStore(MemoryKeyring(), "memory")


class TestSealedFileStore(KeyStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> KeyStore:
        return SealedFileStore(tmp_path / "keys", seal_source(tmp_path, {}))


class TestSealedFileStoreWithKeyFromTheEnvironment(KeyStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> KeyStore:
        return SealedFileStore(tmp_path / "keys", seal_source(tmp_path, {VARIABLE: "correct horse battery staple"}))


class SilentKeyring(MemoryKeyring):
    """Waits for a person who is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = threading.Event()

    def set_password(self, service: str, username: str, password: str) -> None:
        self.answer.wait(10)


class ForgetfulKeyring(MemoryKeyring):
    """Gives back something else."""

    def get_password(self, service: str, username: str) -> str | None:
        return "AAAA"


def test_a_keyring_that_does_not_answer_is_unreachable_after_the_time_out() -> None:
    backend = SilentKeyring()

    with pytest.raises(StoreUnreachableError, match="did not answer"):
        KeyringStore(backend, "silent", timeout_s=0.05).probe()
    backend.answer.set()


def test_a_keyring_that_forgets_fails_the_probe() -> None:
    with pytest.raises(StoreUnreachableError, match="something else"):
        KeyringStore(ForgetfulKeyring(), "forgetful").probe()


def test_a_keyring_backend_is_opened_by_its_name_only() -> None:
    with pytest.raises(StoreUnreachableError, match="can't be loaded"):
        KeyringStore.open("keyring.backends.nowhere.Keyring")
    with pytest.raises(StoreUnreachableError, match="no keyring here"):
        KeyringStore.open(None)


def test_keyrings_that_refuse_or_keep_nothing_are_not_chosen() -> None:
    for name in ("keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"):
        with pytest.raises(StoreUnreachableError):
            KeyringStore.open(name)


def test_without_a_keyring_the_sealed_file_is_chosen_and_says_so_honestly(tmp_path: Path) -> None:
    store = choose_store("auto", tmp_path, {})

    assert store.kind == "file"
    assert "can read the agent's key" in store.description


def test_the_operators_wish_for_a_keyring_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachableError):
        choose_store("keyring", tmp_path, {})


def test_sealed_files_hold_no_plain_key_and_only_their_user_can_read_them(tmp_path: Path) -> None:
    store = open_store("file", tmp_path, {VARIABLE: "correct horse battery staple"})
    store.put("agent-north", b"the private key itself")

    (file,) = (tmp_path / "keys").iterdir()
    assert b"private key" not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600


def test_another_sealing_key_opens_nothing_and_names_both_sources(tmp_path: Path) -> None:
    open_store("file", tmp_path, {VARIABLE: "correct horse battery staple"}).put("agent-north", KEY)

    with pytest.raises(StoreUnreachableError, match=r"sealed by environment.*comes from key-file"):
        open_store("file", tmp_path, {}).get("agent-north")


def test_a_sealed_file_moved_to_another_name_opens_nothing(tmp_path: Path) -> None:
    store = open_store("file", tmp_path, {})
    store.put("agent-north", KEY)
    (tmp_path / "keys" / "agent-north.sealed").rename(tmp_path / "keys" / "agent-south.sealed")

    with pytest.raises(StoreUnreachableError, match="can't be opened"):
        store.get("agent-south")


def test_a_damaged_file_is_unreachable_never_missing(tmp_path: Path) -> None:
    store = open_store("file", tmp_path, {})
    store.put("agent-north", KEY)
    (tmp_path / "keys" / "agent-north.sealed").write_text("{")

    with pytest.raises(StoreUnreachableError, match="damaged"):
        store.get("agent-north")


def test_a_sealing_key_that_others_may_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    store = open_store("file", tmp_path, {})
    store.put("agent-north", KEY)
    (tmp_path / "keys" / "seal.key").chmod(0o644)

    with pytest.raises(StoreUnreachableError, match="chmod 600"):
        store.get("agent-north")


def test_the_sealing_key_comes_from_the_best_source_there_is(tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL).write_text("from systemd, long enough")
    everything = {"CREDENTIALS_DIRECTORY": str(tmp_path), SECRET_FILE_VARIABLE: "/run/key", VARIABLE: "text"}

    assert seal_source(tmp_path, everything).name == "credential"
    assert seal_source(tmp_path, everything | {"CREDENTIALS_DIRECTORY": ""}).name == "secret-file"
    assert seal_source(tmp_path, {VARIABLE: "text"}).name == "environment"
    assert "text" not in repr(seal_source(tmp_path, {VARIABLE: "text"}))
