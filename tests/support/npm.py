"""Programs from npm that tests run: installed once for each lock file, beside the virtual environment's packages."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INSTALL_S = 100


def installed(source: Path) -> Path:
    """Return where a copy of ``source`` is, with what its lock file names; skip the test where there is no node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine")
    files = sorted(file for file in source.iterdir() if file.is_file())
    digest = hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()[:16]
    cache = Path(sys.prefix) / "npm"
    cache.mkdir(exist_ok=True)
    place = cache / f"{source.name}-{digest}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "installed").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for file in files:
                shutil.copy(file, place / file.name)
            done = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=place,
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            (place / "installed").touch()
    return place
