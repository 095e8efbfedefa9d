"""How large the packages are, and what is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Aim, Figure
from benchmarks.floors import Floors

ROOT = Path(__file__).parents[2]
_KINDS = {
    "single": ("self-installing file", 37.0),
    "tar": ("tar archive", None),
    "deb": (".deb", 24.0),
    "rpm": (".rpm", 24.0),
}
_NEEDED = {"deb": "dpkg-deb", "rpm": "rpmbuild"}


def measure(tree: Path, home: Path, floors: Floors, *, quick: bool) -> list[Figure]:
    """Make every package that can be made here, and weigh it; with ``quick`` only what is installed."""
    del floors  # nothing of a machine is in a size
    installed = sum(file.lstat().st_size for file in tree.rglob("*") if file.is_file()) / 1e6
    note = "packages link the version in use to their payload: it takes the disk once"
    figures = [Figure(name="installed", value=installed, unit="MB", aim=Aim(value=55), note=note)]
    for kind, (name, limit) in () if quick else _KINDS.items():
        if kind in _NEEDED and shutil.which(_NEEDED[kind]) is None:
            continue
        to = home / kind
        command = [sys.executable, str(ROOT / "packaging/make_packages.py"), "--tree", str(tree), "--only", kind]
        subprocess.run([*command, "--output", str(to)], check=True, capture_output=True)
        (file,) = (file for file in to.iterdir() if file.name != "SHA256SUMS")
        aim = None if limit is None else Aim(value=limit)
        figures.append(Figure(name=name, value=file.stat().st_size / 1e6, unit="MB", aim=aim))
    return figures
