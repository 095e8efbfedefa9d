"""Builds the agent as binaries: ``dist/edge-agent`` with ``edge-agent``, ``edge-python`` and what both need.

    python packaging/build.py [--output DIR] [--if-changed | --is-current]

The result depends on the sources, the locked libraries and the interpreter that builds, and on nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from about import write_about

ROOT = Path(__file__).parents[1]
SPEC = ROOT / "packaging/agent.spec"
_OF_THE_BUILD = (
    "about.py",
    "agent.spec",
    "build.py",
    "contents.py",
    "inventory.py",
    "sdk_files.py",
    "standard_library.py",
)
"""Beside entry/; what else lies here is about packages and releases, and changes nothing in the binaries."""
_NO_INPUTS = {"__pycache__", "node_modules", "test"}
NEEDED_PROGRAMS = ("objdump", "objcopy", "strip", "ldd")


def main() -> int:
    """Build, and return the exit code."""
    arguments = _arguments()
    output: Path = arguments.output.absolute()
    mark = output / "edge-agent.inputs"
    digest = inputs_digest()
    is_current = mark.exists() and mark.read_text() == digest
    if arguments.is_current or (arguments.if_changed and is_current):
        sys.stdout.write(f"{output / 'edge-agent'} is {'current' if is_current else 'missing or outdated'}\n")
        return 0 if is_current else 1
    if missing := [program for program in NEEDED_PROGRAMS if shutil.which(program) is None]:
        sys.stderr.write(f"The build needs {', '.join(missing)}: install binutils (and libc-bin).\n")
        return 2
    mark.unlink(missing_ok=True)
    if code := _build(output, digest):
        return code
    mark.write_text(digest)
    sys.stdout.write(f"{output / 'edge-agent'}: {_size_mb(output / 'edge-agent'):.1f} MB\n")
    return 0


def inputs_digest() -> str:
    """Return one value for everything that the binaries are made of."""
    digest = hashlib.sha256(sys.version.encode())
    for file in _inputs():
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _inputs() -> Iterator[Path]:
    yield ROOT / "requirements/dev.txt"
    for name in _OF_THE_BUILD:
        yield ROOT / "packaging" / name
    for folder in ("packaging/entry", "edge_agent", "sdk/python", "sdk/js"):
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in (".py", ".js", ".toml") and not _NO_INPUTS & set(file.parts):
                yield file


def _build(output: Path, digest: str) -> int:
    work = output.parent / "build" if output.name == "dist" else output / "build"
    # Its warnings are about modules that libraries import where they are installed, and that we leave out on purpose.
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR"]
    command += ["--distpath", str(output), "--workpath", str(work), str(SPEC)]
    # With a random hash seed, sets of names come out in another order each time, and so does the byte code.
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    # Which column an error was in is said nowhere; kept, it would be a megabyte of an idle agent's memory.
    environment |= {"PYTHONNODEBUGRANGES": "1"}
    code = subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode
    if code == 0:
        sources = json.loads((work / "agent/sources.json").read_text())
        write_about(output / "edge-agent", map(Path, sources), work=work, digest=digest)
    return code


def _size_mb(folder: Path) -> float:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build edge-agent and edge-python.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where the folder edge-agent is made")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--if-changed", action="store_true", help="do nothing when it is current")
    when.add_argument("--is-current", action="store_true", help="build nothing; exit code 0 when it is current, else 1")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
