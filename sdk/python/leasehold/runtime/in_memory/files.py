"""Files that tasks push to a host in memory: on the disk all the same, for as long as the process lives."""

from __future__ import annotations

import hashlib
import io
import tempfile
from pathlib import Path

from leasehold.errors import NotFoundError
from leasehold.runtime.shorter import ShorterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE_BYTES = 1024 * 1024


class KeptFiles:
    """Files by the SHA-256 of their content: what one task of a test pushed the others read."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def keep(self, read: Callable[[int], bytes], size: int) -> dict[str, object]:
        """Keep ``size`` bytes; return their ``sha256`` and ``size``.

        Raises:
            ShorterError: ``read`` had fewer.
        """
        digest, left = hashlib.sha256(), size
        aside = self._place("new")
        with aside.open("wb") as file:
            while left > 0:
                piece = read(min(_PIECE_BYTES, left))
                if not piece:
                    raise ShorterError
                left -= len(piece)
                digest.update(piece)
                file.write(piece)
        aside.replace(self._place(digest.hexdigest()))
        return {"sha256": digest.hexdigest(), "size": size}

    def open(self, sha256: str) -> io.RawIOBase:
        """Return the bytes of a file.

        Raises:
            NotFoundError: nobody pushed it here.
        """
        try:
            return io.FileIO(self._place(sha256))
        except FileNotFoundError:
            raise NotFoundError(f"there is no file {sha256}: no task has pushed it here") from None

    def _place(self, name: str) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="leasehold-files-")
        return Path(self._folder.name, name)


KEPT = KeptFiles()
"""Those of this process."""
