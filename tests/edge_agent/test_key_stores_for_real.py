"""The key stores as a site has them: a real Secret Service on a real bus, a systemd credential, a secret file."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import subprocess
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leasehold_agent.exits import Exit
from leasehold_agent.identity.key_store import KeyStore, StoreUnreachableError
from leasehold_agent.identity.keyring_store import KeyringStore
from leasehold_agent.identity.sealed_file import CREDENTIAL, SECRET_FILE_VARIABLE, VARIABLE
from leasehold_agent.identity.store_choice import choose_store
from tests.edge_agent.model_api import TOKEN, ModelApi
from tests.edge_agent.test_commands import edge_agent, files_under, sealed_keys
from tests.edge_agent.test_key_stores import KeyStoreContract

BACKEND = "keyring.backends.SecretService.Keyring"
PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")
MISSING = [program for program in PROGRAMS if shutil.which(program) is None]
needs_a_secret_service = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(MISSING)} not installed: apt-get install dbus gnome-keyring"
)
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
"""The library behind keyring leaves its connections to the bus to the garbage collector."""
TEXT = "a sealing key of thirty-two bytes"


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """Let the connections go before other tests are blamed for them."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def secret_service(home: Path) -> Iterator[dict[str, str]]:
    """Run a session bus and an unlocked keyring on it; give the environment of whoever uses them."""
    environ = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_RUNTIME_DIR": str(home)}
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        text=True,
    )
    assert bus.stdout is not None
    environ["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    keyring = subprocess.Popen(
        ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ,
        text=True,
    )
    try:
        assert keyring.stdin is not None
        assert keyring.stdout is not None
        keyring.stdin.write("correct horse")
        keyring.stdin.close()
        keyring.stdout.readline()  # it is on the bus when it says where its control directory is
        yield {name: environ[name] for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "XDG_DATA_HOME")}
    finally:
        for process in (keyring, bus):
            process.terminate()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A session with a keyring, as on a desktop."""
    with secret_service(tmp_path_factory.mktemp("session")) as environ:
        yield environ


@needs_a_secret_service
class TestSecretService(KeyStoreContract):
    @pytest.fixture
    def store(self, bus: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyStore]:
        for name, value in bus.items():
            monkeypatch.setenv(name, value)
        store = KeyringStore.open(BACKEND)
        yield store
        for name in ("agent-north", "agent-south"):
            store.delete(name)

    def test_where_a_keyring_answers_it_is_chosen_by_itself(self, store: KeyStore, tmp_path: Path) -> None:
        chosen = choose_store("auto", tmp_path, os.environ)

        assert (chosen.kind, chosen.description) == ("keyring", f"the keyring {BACKEND}")


@pytest.fixture
async def api() -> AsyncIterator[ModelApi]:
    async with ModelApi().serve() as model:
        yield model


@needs_a_secret_service
async def test_an_agent_whose_keyring_is_away_says_so_and_stops_and_makes_no_other_key(
    api: ModelApi, tmp_path: Path
) -> None:
    state = str(tmp_path / "state")
    home = tmp_path / "session"
    home.mkdir()
    with secret_service(home) as bus:
        enrolled = await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state, **bus)
        shown = await edge_agent("identity", "show", "--state-dir", state, **bus)
    asked = len(api.requests)

    gone = await edge_agent("run", "--state-dir", state, **bus)
    no_bus = await edge_agent("run", "--state-dir", state)

    assert enrolled.code == shown.code == Exit.OK, enrolled.err
    assert "kept in    the keyring store" in shown.out
    assert not sealed_keys(state)
    assert gone.code == no_bus.code == Exit.KEY_STORE
    assert "The store that keeps the agent's key can't be used" in gone.err
    assert len(api.requests) == asked, "it never enrols again by itself"


@pytest.mark.parametrize("source", ["credential", "secret-file", "environment"])
async def test_a_headless_agents_file_opens_with_what_sealed_it_and_with_nothing_else(
    api: ModelApi, tmp_path: Path, source: str
) -> None:
    state, secrets = str(tmp_path / "state"), tmp_path / "secrets"
    secrets.mkdir()
    (secrets / CREDENTIAL).write_text(TEXT)
    sealed_with = {
        "credential": {"CREDENTIALS_DIRECTORY": str(secrets)},
        "secret-file": {SECRET_FILE_VARIABLE: str(secrets / CREDENTIAL)},
        "environment": {VARIABLE: TEXT},
    }[source]
    await edge_agent("enroll", api.url, "--token", TOKEN, "--state-dir", state, **sealed_with)

    opened = await edge_agent("identity", "rotate", "--state-dir", state, **sealed_with)
    without = await edge_agent("run", "--state-dir", state)
    await asyncio.to_thread((secrets / CREDENTIAL).write_text, "another key of the same kind, restored by mistake")
    changed = {name: value if name != VARIABLE else value * 2 for name, value in sealed_with.items()}
    with_another = await edge_agent("identity", "show", "--state-dir", state, **changed)

    assert opened.code == Exit.OK, opened.err
    assert without.code == with_another.code == Exit.KEY_STORE
    assert f"sealed by {source}" in without.err
    assert [path for path in files_under(state) if TEXT.encode() in path.read_bytes()] == []


@needs_a_secret_service
def test_a_bus_without_a_keyring_is_named_and_nothing_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "XDG_DATA_DIRS": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)},
        text=True,
    ) as bus:
        assert bus.stdout is not None
        address = bus.stdout.readline().strip()
        try:
            monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
            with pytest.raises(StoreUnreachableError):
                KeyringStore.open(BACKEND)
        finally:
            bus.terminate()
