"""Messages between processes of one machine: one JSON object per packet, open files beside it.

Both ends of every such line are here: the agent's host zygote and attempt hosts, task zygotes and keepers.
"""

from __future__ import annotations

import _socket
import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    class Socket(Protocol):
        """A socket that keeps packets apart (``SOCK_SEQPACKET``)."""

        def sendmsg(self, buffers: Sequence[bytes], ancdata: Any = ..., flags: int = ..., /) -> int: ...
        def recvmsg(self, bufsize: int, ancbufsize: int = ..., flags: int = ..., /) -> tuple[bytes, Any, int, Any]: ...

    class Line(Socket, Protocol):
        """One that can be waited for, and closed."""

        def fileno(self) -> int: ...
        def setblocking(self, flag: bool, /) -> None: ...
        def close(self) -> None: ...


LONGEST = 128 * 1024
"""Bytes of one message: less than what the system lets wait in a socket."""
_MOST_FILES = 4
_INT = 4


class LineEndedError(Exception):
    """The other end is gone."""


def send(socket: Socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    """Send one message; copies of ``files`` go with it.

    Raises:
        LineEndedError: nobody is there to receive it.
        ValueError: it is too long.
        BlockingIOError: the line does not wait, and the other end is behind.
    """
    text = json.dumps(message, separators=(",", ":")).encode()
    if len(text) > LONGEST:
        raise ValueError(f"a message of {len(text)} bytes is longer than {LONGEST}")
    numbers = b"".join(fd.to_bytes(_INT, sys.byteorder) for fd in files)
    beside = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, numbers)] if files else []
    try:
        socket.sendmsg([text], beside, _socket.MSG_NOSIGNAL)
    except (BrokenPipeError, ConnectionError):
        raise LineEndedError from None


def receive(socket: Socket) -> tuple[dict[str, Any], list[int]]:
    """Receive one message and the files that came with it, which exec will close.

    Raises:
        LineEndedError: there is none, and there will be none.
        ValueError: what came is no message.
        BlockingIOError: the line does not wait, and there is none yet.
    """
    room = _socket.CMSG_SPACE(_MOST_FILES * _INT)
    try:
        text, beside, _, _ = socket.recvmsg(LONGEST, room, _socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        raise LineEndedError from None
    files = [
        int.from_bytes(numbers[at : at + _INT], sys.byteorder)
        for level, kind, numbers in beside
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        for at in range(0, len(numbers) - len(numbers) % _INT, _INT)
    ]
    if not text:
        raise LineEndedError
    message = json.loads(text)
    if not isinstance(message, dict):
        raise ValueError("a message is an object")
    return message, files
