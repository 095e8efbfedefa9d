"""The archive of a version or a pack: the same bytes for the same tree, files and folders only."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

TOP = "edge-agent"
"""The one folder in that of a version, and the program in this."""


_LEVEL = 6
"""Of gzip: a hundredth larger than with 9, in a third of the time."""


class TreeError(Exception):
    """The tree can't be published."""


def write_archive(tree: Path, file: Path, *, top: str = TOP, program: str = TOP, level: int = _LEVEL) -> None:
    """Write ``tree`` as a ``.tar.gz``; links become what they lead to, for agents take no links.

    Args:
        tree: what goes into it.
        file: where to.
        top: the one folder in it.
        program: what has to be in the tree, by its path.
        level: how hard gzip tries.
    """
    if not os.access(tree / program, os.X_OK):
        raise TreeError(f"{tree} holds no program {program}: give the folder that was made for this")
    with (
        file.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="", compresslevel=level) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in [tree, *sorted(tree.rglob("*"))]:
            _add(tar, path, f"{top}/{path.relative_to(tree)}" if path != tree else top)


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
