"""Unpacks the archive of a version: files and folders below one place, and nothing else, whatever the archive says.

What TUF verified is what its publisher signed; this is the second line, for the day on which a publisher's own machine
is the attacker's.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOST_FILES = 50_000
MOST_BYTES = 4 * 1024**3
_CHUNK = 1024 * 1024
_EXECUTABLE = 0o100


class BadArchiveError(Exception):
    """The archive has something in it that no version of the agent has."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack ``archive`` into ``folder``, which is new.

    Raises:
        BadArchiveError: it is none, or holds what must not be in one. What was unpacked until then is left.
        OSError: the disk does not take it.
    """
    folder.mkdir(mode=0o755)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in _checked(tar):
                _unpack_one(tar, member, folder)
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise BadArchiveError(f"it is no tar archive, or a damaged one: {error}") from error
    except OSError as error:
        if error.errno is None:  # gzip tells of damaged data by an OSError without a number
            raise BadArchiveError(f"it is damaged: {error}") from error
        raise


def objection(member: tarfile.TarInfo) -> str | None:
    """Return what is wrong with one entry of an archive; none when it may be unpacked."""
    name = member.name
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or "\0" in name or "\\" in name or ".." in parts:
        return "leads out of the folder it is unpacked into"
    if member.issym() or member.islnk():
        return "is a link"
    if not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)):
        return "is neither a file nor a folder"
    return None


def _checked(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    size = 0
    for number, member in enumerate(tar, start=1):
        size += member.size
        if number > MOST_FILES or size > MOST_BYTES:
            raise BadArchiveError(f"it holds more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB")
        if (wrong := objection(member)) is not None:
            raise BadArchiveError(f"{member.name!r} in it {wrong}")
        yield member


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    place = folder.joinpath(*PurePosixPath(member.name).parts)
    if member.isdir():
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        return
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    mode = 0o755 if member.mode & _EXECUTABLE else 0o644
    content = tar.extractfile(member)
    if content is None:
        raise BadArchiveError(f"{member.name!r} in it has no content")
    try:
        # Only new files: two entries of one name would let the second replace what was looked at first.
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise BadArchiveError(f"{member.name!r} is in it twice") from None
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)
        while chunk := content.read(_CHUNK):
            file.write(chunk)
