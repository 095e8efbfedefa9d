"""Files to and from the attempt host: sent from the disk and read as they come, never whole in memory."""

from __future__ import annotations

import io

from leasehold.errors import RefusedError, UnavailableError
from leasehold.runtime.answers import READ_WAIT_S, WRITE_TIMEOUT_S, error_of
from leasehold.runtime.shorter import ShorterError
from leasehold.runtime.wire import read_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812 - the built-in class
    from collections.abc import Callable

    from leasehold.runtime.wire import Wire

_PIECE_BYTES = 256 * 1024
_PATIENCE_S = 86_400.0
"""The host answers as soon as it knows: it gives up by itself when nothing of a file arrives any more."""


def send(wire: Wire, read: Callable[[int], bytes], size: int) -> dict[str, object]:
    """Send ``size`` bytes; return what the host says of them (``sha256``, ``size``).

    Raises:
        ShorterError: ``read`` had fewer.
        LeaseholdError: the kind says what the task can do about it.
    """
    head = wire.head("PUT", "/v1/files", size, None, "Content-Type: application/octet-stream", "Expect: 100-continue")
    try:
        connection = wire.connect(WRITE_TIMEOUT_S)
        try:
            status, body = _sent(connection, head, read, size)
        finally:
            connection.close()
    except OSError as problem:
        raise UnavailableError(f"PUT /v1/files: the attempt host can't be reached ({problem})") from problem
    return _object("PUT /v1/files", status, body)


def _sent(connection: Socket, head: bytes, read: Callable[[int], bytes], size: int) -> tuple[int, bytes]:
    connection.sendall(head)
    if size:
        status, _, length, start = read_head(connection)
        if status != 100:  # refused before a byte was sent
            return status, _rest(connection, start, length)
    left = size
    while left > 0:
        piece = read(min(_PIECE_BYTES, left))
        if not piece:
            raise ShorterError
        left -= len(piece)
        try:
            connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            break  # the host has said why, and takes no more
    status, _, length, start = read_head(connection)
    return status, _rest(connection, start, length)


def _rest(connection: Socket, start: bytes, length: int | None) -> bytes:
    body = start
    while length is not None and len(body) < length and (piece := connection.recv(65536)):
        body += piece
    return body


class Stream(io.RawIOBase):
    """The bytes of a file as they come; reading on past a broken connection or another hash fails."""

    def __init__(self, wire: Wire, sha256: str, *, wait_s: float | None = None) -> None:
        """Ask for a file.

        Raises:
            LeaseholdError: the kind says what the task can do about it.
        """
        from hashlib import sha256 as digest

        super().__init__()
        self._sha256 = sha256
        self._digest = digest()
        self._connection, self._start, self._left = _asked(wire, sha256, wait_s)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object, /) -> int:
        """Read the next bytes.

        Raises:
            UnavailableError: the host broke off.
            RefusedError: what came has another hash.
        """
        view = memoryview(buffer)  # type: ignore[arg-type]  # whatever it is, it has the buffer protocol
        if self._left == 0 or not len(view):
            self._check()
            return 0
        if self._start:
            piece, self._start = self._start[: len(view)], self._start[len(view) :]
        else:
            piece = self._connection.recv(min(len(view), self._left))
        if not piece:
            raise UnavailableError(f"the file {self._sha256} broke off: read it again")
        view[: len(piece)] = piece
        self._digest.update(piece)
        self._left -= len(piece)
        if self._left == 0:
            self._check()
        return len(piece)

    def close(self) -> None:
        """Let go of the connection."""
        if not self.closed:
            self._connection.close()
        super().close()

    def _check(self) -> None:
        if self._left == 0 and self._digest.hexdigest() != self._sha256:
            found = self._digest.hexdigest()
            raise RefusedError(f"the file arrived with another hash, {found} instead of {self._sha256}: read it again")


def _asked(wire: Wire, sha256: str, wait_s: float | None) -> tuple[Socket, bytes, int]:
    what = f"GET /v1/files/{sha256}"
    try:
        connection = wire.connect(WRITE_TIMEOUT_S)
        try:
            connection.settimeout(_PATIENCE_S)
            connection.sendall(wire.head("GET", f"/v1/files/{sha256}", 0, READ_WAIT_S if wait_s is None else wait_s))
            status, _, length, start = read_head(connection)
            if status != 200 or length is None:
                _object(what, status, _rest(connection, start, length))
        except BaseException:
            connection.close()
            raise
    except OSError as problem:
        if isinstance(problem, UnavailableError):
            raise
        raise UnavailableError(f"{what}: the attempt host can't be reached ({problem})") from problem
    return connection, start[: length or 0], length or 0


def _object(what: str, status: int, body: bytes) -> dict[str, object]:
    import json

    try:
        told: object = json.loads(body) if body else None
    except ValueError:
        told = None
    if status >= 400:
        raise error_of(what, status, told)
    if not isinstance(told, dict):
        raise RefusedError(f"{what} was answered with something that is not a JSON object")
    return told
