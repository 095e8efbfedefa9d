"""Trees of files: compared, copied and made durable. What is copied is ours alone to change."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

_NOT_HERE = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP)
"""Why a file can't be linked although it can be copied."""
_OTHERS_MAY_WRITE = 0o022


def digest(tree: Path) -> str:
    """Return one value for a tree: its names, links, bytes, and what is executable."""
    found = hashlib.sha256()
    for path in sorted(tree.rglob("*")):
        name = os.fsencode(path.relative_to(tree))
        if path.is_symlink():
            found.update(b"l" + name + b"\0" + os.fsencode(path.readlink()) + b"\0")
        elif path.is_file():
            executable = b"x" if path.stat().st_mode & 0o100 else b"f"
            found.update(executable + name + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def copy_tree(tree: Path, target: Path, *, link: bool) -> None:
    """Make ``target`` a copy of ``tree`` that everybody may read and only its owner change.

    Args:
        link: whether the files may be hard links, where the file system allows it: only if whoever made ``tree`` is
            who copies it, and never writes into a file again.

    Raises:
        OSError: something can't be written.
    """
    for folder, folders, files in os.walk(tree):
        there = target / Path(folder).relative_to(tree)
        there.mkdir()
        there.chmod(0o755)
        for name in (*folders, *files):
            source = Path(folder, name)
            if source.is_symlink():
                (there / name).symlink_to(source.readlink())
            elif name in files:
                _copy(source, there / name, link=link)


def sync_tree(tree: Path) -> None:
    """Make a tree durable, before its name is: after a power cut no file of it is empty."""
    for folder, _, files in os.walk(tree):
        for path in (*(Path(folder, name) for name in files), Path(folder)):
            if path.is_symlink():
                continue
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def _copy(source: Path, target: Path, *, link: bool) -> None:
    facts = source.stat()
    if link and facts.st_uid == os.geteuid() and not facts.st_mode & _OTHERS_MAY_WRITE:
        try:
            target.hardlink_to(source)
        except OSError as problem:
            if problem.errno not in _NOT_HERE:
                raise
        else:
            return
    shutil.copyfile(source, target)
    target.chmod(0o755 if facts.st_mode & 0o100 else 0o644)
