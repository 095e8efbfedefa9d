"""The binary's own interpreter, and wheels that travel with a DAG, as tests have them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from leasehold_agent.environments.pythons import Interpreter

VERSION = (sys.version_info.major, sys.version_info.minor, sys.version_info.micro)
# A real interpreter stands in for the binary's: it knows environments by the same file.
OWN = Interpreter(path=sys.executable, version=VERSION, tag="cpython-311-linux-x86_64", has_pip=False, unpacks=True)


def carried(folder: Path, *wheels: Path) -> tuple[Path, dict[str, str]]:
    """Put wheels where the agent keeps them: by their hashes."""
    folder.mkdir(parents=True, exist_ok=True)
    named: dict[str, str] = {}
    for wheel in wheels:
        named[wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (folder / named[wheel.name]).write_bytes(wheel.read_bytes())
    return folder, named


def run(*argv: object) -> str:
    """Run a program and return what it printed."""
    return subprocess.check_output([str(each) for each in argv], text=True)
