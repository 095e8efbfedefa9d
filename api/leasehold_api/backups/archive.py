"""The file that a backup is: a tar archive that says first what it is, and last that it is whole.

It has its name only when it is complete and durable. Its last member has a hash over all before it, so that a copy that
was cut off or changed is recognised.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import tarfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

ABOUT = "leasehold-backup.json"
WHOLE = "whole.json"
SUFFIX = ".backup"
_UNFINISHED = ".unfinished"
_CHUNK = 1024 * 1024
_FORMAT = 1
_LONGEST_NOTE = 65536
T = TypeVar("T", bound=BaseModel)


class Readable(Protocol):
    """Bytes to be read one after the other."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none at the end."""
        ...


class BackupError(Exception):
    """A backup can't be made, or is not one; the text has the cause and the cure."""


class About(BaseModel):
    """What a backup is of."""

    format: int = _FORMAT
    version: str
    """Of leasehold-api."""
    made_at: float
    """Seconds since 1970, before the database was read."""
    store: str
    """``sqlite`` or ``postgresql``."""
    schema_revision: str
    keys: list[str]
    """The key-encryption keys that something in it is sealed with. They are not in it."""
    public_url: str


class _Whole(BaseModel):
    members: int
    sha256: str


class _Sum:
    """A hash over members: their names, sizes and bytes, in their order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._members = 0

    def begin(self, name: str, size: int) -> None:
        self._members += 1
        self._hash.update(f"{name}\n{size}\n".encode())

    def take(self, chunk: bytes) -> None:
        self._hash.update(chunk)

    def told(self) -> _Whole:
        return _Whole(members=self._members, sha256=self._hash.hexdigest())


class Writing:
    """An archive that grows."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - ended by ``end``
        self._sum = _Sum()
        self._mtime = int(time.time())

    def note(self, name: str, note: BaseModel) -> None:
        """Add a note."""
        data = note.model_dump_json(indent=2).encode()
        self._add(name, io.BytesIO(data), len(data))

    def file(self, name: str, path: Path) -> int | None:
        """Add a file as long as it is now, and return its size; none when it has just gone."""
        try:
            source = path.open("rb")
        except FileNotFoundError:
            return None
        with source:
            size = os.fstat(source.fileno()).st_size
            self._add(name, source, size)
        return size

    def end(self) -> None:
        """Say that it is whole."""
        data = self._sum.told().model_dump_json().encode()
        member = tarfile.TarInfo(WHOLE)
        member.size = len(data)
        self._tar.addfile(member, io.BytesIO(data))
        self._tar.close()

    def _add(self, name: str, source: Readable, size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, self._mtime
        self._sum.begin(name, size)
        self._tar.addfile(member, _Counted(source, self._sum.take))


class _Counted:
    """Reads from a file and shows each chunk to somebody else."""

    def __init__(self, source: Readable, shown: Callable[[bytes], None]) -> None:
        self._source, self._shown = source, shown

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none at the end."""
        chunk = self._source.read(size)
        self._shown(chunk)
        return chunk


class _Checked(_Counted):
    """Reads a member of an archive that may be cut off in its middle."""

    def __init__(self, source: Readable, shown: Callable[[bytes], None], cut: BackupError) -> None:
        super().__init__(source, shown)
        self._cut = cut

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; see above."""
        try:
            return super().read(size)
        except (tarfile.TarError, EOFError):
            raise self._cut from None


@contextmanager
def new_archive(path: Path) -> Generator[Writing]:
    """Give an archive to write; it gets its name when the block has ended well, and is gone otherwise.

    Raises:
        BackupError: there is such a file already, or it can't be written.
    """
    if path.exists():
        raise BackupError(f"{path} is there already: name another file, or a directory to make one in")
    unfinished = path.with_name(f".{path.name}{_UNFINISHED}")
    try:
        _forget_unfinished(path.parent)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            writing = Writing(file)
            yield writing
            writing.end()
            file.flush()
            os.fsync(file.fileno())
            # A link, not a rename: what somebody else put there meanwhile is not replaced.
            os.link(unfinished, path)
    except OSError as error:
        raise BackupError(f"{path} can't be written: {error.strerror or error}. Make room, or name another") from None
    finally:
        unfinished.unlink(missing_ok=True)
    _sync(path.parent)


def _forget_unfinished(folder: Path) -> None:
    """Remove what backups left that were killed: nobody holds its lock any more."""
    for left in folder.glob(f".*{SUFFIX}{_UNFINISHED}"):
        with left.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            left.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check(path: Path) -> About:
    """Read all of an archive, and return what it is of.

    Raises:
        BackupError: it is not one, or not whole.
    """
    about: About | None = None
    for name, source in _members(path):
        if name == ABOUT:
            about = _read(About, source, path)
            if about.format != _FORMAT:
                raise BackupError(f"{path} was made by a newer version ({about.version}): restore it with that one")
        while source.read(_CHUNK):
            pass
    if about is None:
        raise BackupError(f"{path} is no backup of leasehold-api: it does not say what it is of")
    return about


def members(path: Path) -> Iterator[tuple[str, Readable]]:
    """Yield names and bytes of an archive that was checked; notes are left out.

    Raises:
        BackupError: it has changed since.
    """
    for name, source in _members(path):
        if name != ABOUT:
            yield name, source


def _members(path: Path) -> Iterator[tuple[str, Readable]]:
    cut = BackupError(f"{path} is not whole: it was cut off, or changed. Copy it again, or take another backup")
    expected, found = None, _Sum()
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                source = tar.extractfile(member)
                if not member.isfile() or source is None or expected is not None:
                    raise cut
                if member.name == WHOLE:
                    expected = _read(_Whole, _Checked(source, _unseen, cut), path)
                    continue
                found.begin(member.name, member.size)
                counted = _Checked(source, found.take, cut)
                yield member.name, counted
                while counted.read(_CHUNK):
                    pass
    except (tarfile.TarError, EOFError):
        raise cut from None
    except OSError as error:
        raise BackupError(f"{path} can't be read: {error.strerror or error}") from None
    if expected != found.told():
        raise cut


def _unseen(_chunk: bytes) -> None:
    """Count nothing."""


def _read(kind: type[T], source: Readable, path: Path) -> T:
    try:
        return kind.model_validate_json(source.read(_LONGEST_NOTE))
    except ValidationError:
        raise BackupError(f"{path} is no backup of leasehold-api, or is damaged") from None
