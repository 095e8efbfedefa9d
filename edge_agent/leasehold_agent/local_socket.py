"""Unix sockets for this user and root only, under paths of any length.

The kernel's limit of 108 bytes is shorter than many a state directory.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 100


@contextmanager
def reachable(path: Path) -> Generator[str, None, None]:
    """Give a name of ``path`` that is short enough for ``bind`` and ``connect``, while the block lasts."""
    text = str(path)
    if len(os.fsencode(text)) <= _LONGEST:
        yield text
        return
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


async def serve_privately(
    path: Path, answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> None:
    """Let ``answer`` have every connection to ``path``, until cancelled; the socket is this user's alone."""
    path.unlink(missing_ok=True)  # noqa: ASYNC240 - one quick call, in the state directory
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The umask is the whole process's: no await in between, or two of these restore it in the wrong order; and no mask
    # that a thread, which makes a directory meanwhile, could not live with.
    old = os.umask(0o077)
    try:
        with reachable(path) as name:
            listening.bind(name)
    finally:
        os.umask(old)
    path.chmod(0o600)  # noqa: ASYNC240 - one quick call, in the state directory
    server = await asyncio.start_unix_server(answer, sock=listening)
    try:
        await server.serve_forever()
    finally:
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - one quick call, in the state directory
