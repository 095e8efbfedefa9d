"""A bundle: the zip of a DAG file and what it needs. The same files always make the same bytes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can name
_MODE = 0o644 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A DAG's code, content-addressed.

    Attributes:
        data: The zip.
        sha256: Its SHA-256, in lower-case hexadecimal.
        files: The names inside, sorted.
    """

    data: bytes = field(repr=False)
    sha256: str
    files: tuple[str, ...]


def make_bundle(folder: Path, files: Sequence[Path]) -> Bundle:
    """Return the bundle of ``files``, named relative to ``folder``."""
    named = sorted((file.relative_to(folder).as_posix(), file) for file in files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, file in named:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix on every system, or the same files would differ
            entry.external_attr = _MODE | ((file.stat().st_mode & 0o111) << 16)
            archive.writestr(entry, file.read_bytes())
    return _bundle(buffer.getvalue(), [name for name, _ in named])


def bundle_with(bundle: Bundle, name: str, content: bytes) -> Bundle:
    """Return a bundle with one file more, that is nowhere on the author's disk."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle.data)) as before, zipfile.ZipFile(buffer, "w") as archive:
        files = {entry.filename: (entry.external_attr, before.read(entry)) for entry in before.infolist()}
        files[name] = (_MODE, content)
        for each, (attributes, data) in sorted(files.items()):
            entry = zipfile.ZipInfo(each, _EPOCH)
            entry.create_system = 3
            entry.external_attr = attributes
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED, compresslevel=6)
    return _bundle(buffer.getvalue(), sorted(files))


def _bundle(data: bytes, files: Sequence[str]) -> Bundle:
    return Bundle(data=data, sha256=hashlib.sha256(data).hexdigest(), files=tuple(files))
