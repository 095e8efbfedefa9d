"""Where a program or library of Linux (ELF, 64 bits, little-endian) looks for the libraries that it needs.

A build says it as an absolute path (``-Wl,-rpath``). Here it becomes one that begins at the file itself, in the room
that the old path had. Format: the System V ABI, chapter 5, "Dynamic Linking".
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path

_ELF = b"\x7fELF\x02\x01"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 10, 15, 29
_GLIBC = re.compile(rb"GLIBC_([0-9]+)\.([0-9]+)")
_ENTRY = struct.Struct("<qQ")


class RunPathError(Exception):
    """The file can't be made to be moved. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Dynamic:
    """What a file says to the loader."""

    needed: tuple[str, ...]
    """Names of libraries."""
    glibc: tuple[int, int] | None
    """The oldest glibc that has all that it needs of that."""
    run_path: str | None
    where: int
    """The place of the run path's text in the file."""
    entry: int
    """The place of the entry that leads to it."""


def read_dynamic(file: Path) -> Dynamic | None:
    """Return what a file says to the loader; none when it is no such file, or needs no loader."""
    data = file.read_bytes()
    if not data.startswith(_ELF):
        return None
    segments = _segments(data)
    place = next((offset for kind, offset, _, size in segments if kind == _PT_DYNAMIC and size), None)
    if place is None:
        return None
    entries: list[tuple[int, int, int]] = []
    while True:
        tag, value = _ENTRY.unpack_from(data, place)
        if tag == _DT_NULL:
            break
        entries.append((tag, value, place))
        place += _ENTRY.size
    table = next((_in_file(segments, value) for tag, value, _ in entries if tag == _DT_STRTAB), None)
    if table is None:
        return None
    size = next((value for tag, value, _ in entries if tag == _DT_STRSZ), 0)
    versions = [(int(major), int(minor)) for major, minor in _GLIBC.findall(data[table : table + size])]
    paths = [(table + value, at) for tag, value, at in entries if tag in (_DT_RPATH, _DT_RUNPATH)]
    where, entry = paths[0] if paths else (0, 0)
    return Dynamic(
        needed=tuple(_text(data, table + value) for tag, value, _ in entries if tag == _DT_NEEDED),
        glibc=max(versions, default=None),
        run_path=_text(data, where) if paths else None,
        where=where,
        entry=entry,
    )


def set_run_path(file: Path, run_path: str) -> bool:
    """Let a file look for libraries there, and all that it loads look there too; tell whether it says a path at all.

    Raises:
        RunPathError: there is not enough room for it.
    """
    found = read_dynamic(file)
    if found is None or found.run_path is None:
        return False
    room = len(found.run_path.encode())
    if len(run_path.encode()) > room:
        raise RunPathError(
            f"{file} has room for a run path of {room} characters, and {run_path} is longer: build it with "
            "LDFLAGS=-Wl,-rpath, and a path of 40 characters or more"
        )
    with file.open("r+b") as opened:
        opened.seek(found.where)
        opened.write(run_path.encode().ljust(room, b"\0"))
        # As DT_RPATH it holds for the libraries of libraries as well: those that are carried say no path of their own.
        opened.seek(found.entry)
        opened.write(struct.pack("<q", _DT_RPATH))
    return True


def _segments(data: bytes) -> list[tuple[int, int, int, int]]:
    """Return kind, place in the file, address and size of each segment."""
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found: list[tuple[int, int, int, int]] = []
    for at in range(start, start + size * count, size):
        kind, _, offset, address, _, in_file = struct.unpack_from("<IIQQQQ", data, at)
        found.append((kind, offset, address, in_file))
    return found


def _in_file(segments: list[tuple[int, int, int, int]], address: int) -> int | None:
    for kind, offset, begins, size in segments:
        if kind == _PT_LOAD and begins <= address < begins + size:
            return offset + address - begins
    return None


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()
