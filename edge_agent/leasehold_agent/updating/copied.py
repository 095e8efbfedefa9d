"""A copy of the repository in a folder of this machine: for sites that are reached by somebody's hand only.

It is believed as a server is: not at all, beyond what is signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from leasehold_agent.errors import RefusedError, Trouble, UnavailableError
from leasehold_agent.exits import Exit, OperatorError

_PIECE = 1024 * 1024
_NOT_THERE = 404
_PARTS = ("metadata", "targets")


class CopiedRepository:
    """Gives what is in the folder, under addresses that begin with ``url``.

    Raises:
        OperatorError: there is no copy of a repository in it.
    """

    def __init__(self, folder: Path) -> None:
        inside = folder / "public"  # what packaging/release.py works in has it one folder deeper
        self._folder = inside if (inside / "metadata").is_dir() else folder
        self.url = str(self._folder)
        if not all((self._folder / part).is_dir() for part in _PARTS):
            raise OperatorError(
                Exit.NOT_FOUND,
                f"{folder} holds no copy of a repository: the folders metadata and targets.",
                "Copy the whole repository, and name the folder that it is in.",
            )

    def pieces(self, url: str) -> Iterator[bytes]:
        """Yield what is at an address.

        Raises:
            RefusedError: there is no such file.
            UnavailableError: it can't be read.
        """
        file = self._folder / unquote(url.removeprefix(f"{self.url}/"))
        try:
            with file.open("rb") as opened:
                while piece := opened.read(_PIECE):
                    yield piece
        except FileNotFoundError:
            raise RefusedError(_NOT_THERE, "no_such_file", str(file)) from None
        except OSError as error:
            raise UnavailableError(Trouble.BROKEN, f"{file}: {error.strerror}") from error

    def close(self) -> None:
        """There is nothing to be closed."""
