"""The archive of a version: the tree that the build made, the same bytes for the same tree, files and folders only."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

TOP = "edge-agent"
"""The one folder in it."""


class TreeError(Exception):
    """The tree can't be published."""


def write_archive(tree: Path, file: Path, *, level: int = 9) -> None:
    """Write ``tree`` as a ``.tar.gz``; links become what they lead to, for agents take no links."""
    if not os.access(tree / "edge-agent", os.X_OK):
        raise TreeError(f"{tree} holds no program edge-agent: give the folder that make binary built")
    with (
        file.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=level, mtime=0, filename="") as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in [tree, *sorted(tree.rglob("*"))]:
            _add(tar, path, f"{TOP}/{path.relative_to(tree)}" if path != tree else TOP)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    if path.is_dir():
        if path.is_symlink():
            raise TreeError(f"{path} is a link to a folder; agents take no links")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
        return
    if not path.is_file():
        raise TreeError(f"{path} is neither a file nor a folder")
    entry.size = path.stat().st_size
    entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    with path.open("rb") as content:
        tar.addfile(entry, content)
