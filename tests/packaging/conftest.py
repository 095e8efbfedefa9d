"""What the tests of the binary share: one build for all of them, and packages made of it."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.packaging.paths import PACKAGING, ROOT

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


@pytest.fixture(scope="session")
def packages(binary: Path, shared: Path) -> Path:
    """A folder with what sites download of that build, packed in haste: single file, tar and deb, signed.

    ``leasehold.signers`` lies beside it: what the publisher gave to sites by another way.
    """
    folder = shared / "packages"
    with alone(shared):
        if not (folder / "SHA256SUMS.sig").exists():
            made = [sys.executable, "make_packages.py", "--tree", str(binary), "--output", str(folder), "--level", "1"]
            only = ["single", "tar", *(["deb"] if shutil.which("dpkg-deb") else [])]
            _at_the_desk(*made, *(part for kind in only for part in ("--only", kind)))
            key = shared / "release.pem"
            _at_the_desk(sys.executable, "release.py", "key", str(key), "--online")
            line = _at_the_desk(sys.executable, "release.py", "signers", str(key.with_suffix(".pub")))
            (shared / "leasehold.signers").write_text(line)
            _at_the_desk(sys.executable, "release.py", "sign-packages", str(folder), "--key", str(key))
    return folder


def _at_the_desk(*command: str) -> str:
    return subprocess.run(command, cwd=PACKAGING, capture_output=True, text=True, check=True).stdout
