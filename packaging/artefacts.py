"""What packages share: the tree with its facts, and archives that are the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
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


def xz(data: bytes) -> bytes:
    """Return data as xz."""
    return lzma.compress(data, preset=6)


def sums(folder: Path) -> str:
    """Return the SHA-256 of each file of a folder, as ``sha256sum --check`` reads them."""
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(file for file in folder.iterdir() if file.is_file() and file.name != "SHA256SUMS")


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = made_at()
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 or entry.issym() else 0o644
    return entry
