"""What a start costs when nothing was read before: the pages of a tree are taken out of the kernel's cache."""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

_PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)


def own_copy(tree: Path, to: Path) -> Path:
    """Return a copy of a tree that no other process has open, on the disk: only such pages can be dropped."""
    shutil.copytree(tree, to, symlinks=True)
    for file in _files(to):
        _with(file, os.fsync)
    return to


def drop(tree: Path) -> float:
    """Drop the cached pages of a tree's files; return which share (0 … 1) of them is there all the same."""
    for file in _files(tree):
        _with(file, lambda fd: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED))
    cached, pages = map(sum, zip(*(_cached(file) for file in _files(tree)), strict=True))
    return cached / pages


def _cached(file: Path) -> tuple[int, int]:
    """Return how many pages of a file are in the cache, by mincore(2), and how many it has."""
    size = file.stat().st_size
    if not size:
        return 0, 0
    pages = -(-size // _PAGE)
    found = (ctypes.c_ubyte * pages)()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), size, mmap.MAP_PRIVATE) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        failed = _libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), found)
        del start
    if failed:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(file))
    return sum(one & 1 for one in found), pages


def _files(tree: Path) -> Iterator[Path]:
    return (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())


def _with(file: Path, do: Callable[[int], object]) -> None:
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        do(fd)
    finally:
        os.close(fd)
