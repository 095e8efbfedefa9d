"""The libraries that a Python needs beside glibc: carried in its tree, where its files can be made to find them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packing.run_paths import read_dynamic, set_run_path

_LDD = shutil.which("ldd") or "/usr/bin/ldd"
_OF_EVERY_SYSTEM = (
    "ld-linux", "linux-vdso", "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libutil.so",
    "libresolv.so", "libnsl.so", "libcrypt.so", "libgcc_s.so", "libstdc++.so",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What became of the libraries."""

    inside: tuple[Path, ...]
    """Where those that are carried are on this machine."""
    left: tuple[str, ...]
    """Names of those that a machine has to have: the files that need them say no path, so they would not be found."""


def carry_libraries(tree: Path, files: Iterable[Path]) -> Carried:
    """Copy what files of a tree need into its ``lib``, and let them find it there."""
    folder = tree / "lib"
    inside: dict[str, Path] = {}
    left: set[str] = set()
    for file in files:
        found = _resolved(file)
        is_moved = set_run_path(file, _run_path(file, tree))
        for name, path in found.items():
            if name.startswith(_OF_EVERY_SYSTEM) or (folder / name).exists():
                continue
            if not is_moved:
                left.add(name)
                continue
            shutil.copyfile(path, folder / name)
            (folder / name).chmod(0o755)
            inside[name] = path
    return Carried(inside=tuple(inside.values()), left=tuple(sorted(left - set(inside))))


def strip(files: Iterable[Path]) -> None:
    """Take out what only debuggers read, where this machine has ``strip``."""
    program = shutil.which("strip")
    for file in files if program is not None else ():
        subprocess.run([str(program), "--strip-unneeded", str(file)], check=True)


def _run_path(file: Path, tree: Path) -> str:
    way = os.path.relpath(tree / "lib", file.parent)
    return "$ORIGIN" if way == "." else f"$ORIGIN/{way}"


def _resolved(file: Path) -> dict[str, Path]:
    """Return where this machine's loader finds the libraries of a file, and those of them, by their names."""
    if read_dynamic(file) is None:
        return {}
    said = subprocess.run([_LDD, str(file)], capture_output=True, text=True, check=False).stdout
    found: dict[str, Path] = {}
    for line in said.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow and rest.startswith("/"):
            found[name] = Path(rest.partition(" (")[0])
    return found
