"""What packages share: the tree with its facts, and archives that are the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
SIGNATURE = ".sig"
"""How a detached signature of a file ends; ``release.py sign-packages`` makes them."""
ROOT_OF_TRUST = "_internal/about/root.json"
"""Where a tree has the publisher's root of trust; its installation puts it beside the versions."""
_MADE_AT = 1577836800
"""2020-01-01: the date of all files where SOURCE_DATE_EPOCH names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What was built: the folder with ``edge-agent``, and what it says of itself."""

    folder: Path
    version: str
    architecture: str
    glibc: str

    @classmethod
    def at(cls, folder: Path) -> Tree:
        """Return the tree in a folder."""
        facts = json.loads((folder / "_internal/about/build.json").read_text())
        return cls(folder=folder, version=facts["version"], architecture=facts["architecture"], glibc=facts["glibc"])

    @property
    def bill_of_materials(self) -> Path:
        """The CycloneDX document inside."""
        return self.folder / "_internal/about/sbom.cdx.json"

    def with_root(self, root: Path, work: Path) -> Tree:
        """Return the same tree with the publisher's root of trust in it: a copy by hard links in ``work``."""
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self.folder, work, symlinks=True, copy_function=os.link)
        shutil.copyfile(root, work / ROOT_OF_TRUST)
        return replace(self, folder=work)

    @property
    def name(self) -> str:
        """How files made of it are called."""
        return f"edge-agent-{self.version}-{self.architecture}"

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.lstat().st_size for file in self.folder.rglob("*") if file.is_file())


def made_at() -> int:
    """Return the date that files get."""
    return int(os.environ.get("SOURCE_DATE_EPOCH", _MADE_AT))


def tar(folder: Path) -> bytes:
    """Return a folder as a tar archive of ``edge-agent/``: in the order of names, owned by root, of one date."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in (folder, *sorted(folder.rglob("*"))):
            archive.add(path, str("edge-agent" / path.relative_to(folder)), recursive=False, filter=_plain)
    return packed.getvalue()


def gz(data: bytes, level: int) -> bytes:
    """Return data as gzip, which every system unpacks."""
    return gzip.compress(data, compresslevel=level, mtime=0)


def xz(data: bytes, level: int) -> bytes:
    """Return data as xz."""
    return lzma.compress(data, preset=level)


def sums(folder: Path) -> str:
    """Return the SHA-256 of each file of a folder, as ``sha256sum --check`` reads them."""
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(
        file for file in folder.iterdir() if file.is_file() and file.name != "SHA256SUMS" and file.suffix != SIGNATURE
    )


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = made_at()
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 or entry.issym() else 0o644
    return entry
