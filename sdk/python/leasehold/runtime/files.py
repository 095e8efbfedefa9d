"""Files that travel between tasks: pushed from one task's disk, read by another as a stream or as a file again."""

from __future__ import annotations

import os
import stat

from leasehold.runtime import reach
from leasehold.runtime.shorter import ShorterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO, Self

    from leasehold.runtime.reach import Reached

_COPY_BYTES = 1024 * 1024


class File:
    """A file as a value: ``return File("report.csv")``, ``xcom.push("report", File(path))``, also inside lists.

    The reader gets a ``File`` too; its bytes come when they are asked for.

    Attributes:
        name: The file's name, without folders.
        media_type: What it is, like ``text/csv``; guessed from the name unless it is given.
    """

    __slots__ = ("_local", "_sha256", "_size", "media_type", "name")

    def __init__(self, path: str | os.PathLike[str], *, media_type: str | None = None, name: str | None = None) -> None:
        """Name a file on this machine; it is read when the value is pushed, or returned.

        Args:
            path: Where it is.
            media_type: What it is.
            name: What the reader shall call it, if not as here.
        """
        self._local: str | None = os.fspath(path)
        self.name = os.path.basename(name or self._local)  # noqa: PTH119 - pathlib costs a task's start
        self.media_type = media_type
        self._sha256: str | None = None
        self._size: int | None = None

    @classmethod
    def received(cls, told: Mapping[str, object]) -> Self:
        """Return the file that a tagged value describes.

        Raises:
            ValueError: if it describes none.
        """
        sha256, size = told.get("sha256"), told.get("size")
        if not isinstance(sha256, str) or not isinstance(size, int):
            raise ValueError("it has no sha256 and size")
        file = cls.__new__(cls)
        file._local, file._sha256, file._size = None, sha256, size
        file.name = os.path.basename(str(told.get("name") or sha256))  # noqa: PTH119 - as above
        media_type = told.get("media_type")
        file.media_type = media_type if isinstance(media_type, str) else None
        return file

    @property
    def size(self) -> int:
        """The length in bytes."""
        return os.stat(self._local).st_size if self._size is None and self._local is not None else self._size or 0  # noqa: PTH116 - as above

    @property
    def sha256(self) -> str:
        """The SHA-256 of the content, in hexadecimal. Of a file that was not pushed yet it is computed."""
        if self._sha256 is None:
            from hashlib import sha256

            digest = sha256()
            with self.open() as content:
                while piece := content.read(_COPY_BYTES):
                    digest.update(piece)
            return digest.hexdigest()
        return self._sha256

    @property
    def path(self) -> Path:
        """The file on this machine: what was received is brought into the task's working directory at the first use.

        Raises:
            LeaseholdError: the kind says what the task can do about it.
        """
        from pathlib import Path

        if self._local is None:
            folder = Path(str(reach.host().read("/v1/context")["work_dir"])) / ".files" / self.sha256
            folder.mkdir(parents=True, exist_ok=True)
            self._local = str(self.save(folder / self.name))
        return Path(self._local)

    def open(self) -> BinaryIO:
        """Return the content as a binary stream that is read as it comes. Use it in a ``with``.

        Raises:
            LeaseholdError: the kind says what the task can do about it.
        """
        import io

        if self._local is not None:
            return io.open(self._local, "rb")  # noqa: UP020 - the caller closes it; open is this method's name
        return io.BufferedReader(reach.host().open_file(self.sha256), _COPY_BYTES)

    def read_bytes(self) -> bytes:
        """Return the whole content."""
        with self.open() as content:
            return content.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the whole content as text."""
        return self.read_bytes().decode(encoding)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the content to ``path``, checked by its hash, and return that; a folder gets it under its name.

        Raises:
            LeaseholdError: the kind says what the task can do about it.
            OSError: if it can't be written there; then nothing is.
        """
        from pathlib import Path

        target = Path(path)
        if target.is_dir():
            target /= self.name
        aside = target.with_name(f".{target.name[:200]}.part")
        try:
            with self.open() as content, aside.open("wb") as copy:
                while piece := content.read(_COPY_BYTES):
                    copy.write(piece)
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        return target

    def pushed(self) -> dict[str, object]:
        """Bring the bytes to the attempt host, unless they are there; return what the tagged value holds.

        Raises:
            ValueError: the file can't travel; the message says why, and the cure.
            LeaseholdError: the kind says what the task can do about it.
        """
        if self._sha256 is None:
            self._size, self._sha256 = _push(reach.host(), str(self._local))
        if self.media_type is None:
            from mimetypes import guess_type

            self.media_type = guess_type(self.name)[0]
        told: dict[str, object] = {"sha256": self._sha256, "size": self._size, "name": self.name}
        return told if self.media_type is None else {**told, "media_type": self.media_type}

    def __repr__(self) -> str:
        return f"File({self.name!r}, size={self._size}, sha256={self._sha256!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)


def _push(host: Reached, path: str) -> tuple[int, str]:
    try:
        # Without O_NONBLOCK opening a pipe would wait for its writer, for ever perhaps.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as problem:
        raise ValueError(f"the file {path!r} can't be read: {problem.strerror}") from None
    try:
        return _pushed(host, path, fd)
    finally:
        os.close(fd)


def _pushed(host: Reached, path: str, fd: int) -> tuple[int, str]:
    before = os.fstat(fd)
    if stat.S_ISDIR(before.st_mode):
        raise ValueError(f"{path!r} is a folder: zip it (shutil.make_archive) and push the archive")
    if not stat.S_ISREG(before.st_mode):
        raise ValueError(f"{path!r} is no regular file but a pipe, socket or device: copy its content into a file")
    changed = f"the file {path!r} changed while it was read: write it to its end first, or push a copy"
    try:
        told = host.send_file(lambda most: os.read(fd, most), before.st_size)
    except ShorterError:
        raise ValueError(changed) from None
    after = os.fstat(fd)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ValueError(changed)
    return before.st_size, str(told["sha256"])
