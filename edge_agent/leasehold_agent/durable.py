"""Files that survive a power cut: written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from leasehold_agent.fault_points import reach


def write_durably(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data``: write aside, fsync, rename, fsync the directory."""
    aside = path.with_name(f".{path.name}.new")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(fd, mode)
        with os.fdopen(fd, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(fd)
    finally:
        os.close(fd)
    reach("agent.file.written.before-rename")
    aside.replace(path)
    reach("agent.file.renamed.before-directory-fsync")
    sync_directory(path.parent)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace ``path`` by ``data`` for every reader at once, without waiting for the disk.

    For what may be lost with the power, because older content is as correct as newer.
    """
    aside = path.with_name(f".{path.name}.new")
    aside.touch(mode)
    aside.write_bytes(data)
    aside.replace(path)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
