"""What the tests of the binary share: one build for all of them, and packages made of it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.packaging.paths import ROOT

BUILD = (sys.executable, str(ROOT / "packaging/build.py"))
NEEDS_BINUTILS = 2
BUILD_S = 280


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder of this run of the tests, however many workers it has."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@contextmanager
def alone(shared: Path) -> Iterator[None]:
    """Hold off the other workers: they wait, and find what this one made."""
    with (shared / "binary.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def binary(shared: Path) -> Path:
    """The folder of the binaries: what ``make binary`` made if that is current, else made here, once."""
    if subprocess.run([*BUILD, "--is-current"], capture_output=True, check=False).returncode == 0:
        return ROOT / "dist/edge-agent"
    with alone(shared):
        command = [*BUILD, "--if-changed", "--output", str(shared / "binary")]
        built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_S)
    if built.returncode == NEEDS_BINUTILS:
        pytest.skip(built.stderr.strip())
    assert built.returncode == 0, built.stdout + built.stderr
    return shared / "binary/edge-agent"
