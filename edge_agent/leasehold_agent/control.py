"""What the site's operator asks of a running agent, at ``<state>/control.sock``: rotating its key."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from leasehold_agent.local_socket import reachable, serve_privately

ROTATE = b"rotate-key\n"
_SOCKET = "control.sock"
_ANSWER_TIMEOUT_S = 90.0


class ControlSocket:
    """Takes one order per connection, from this user and root only, and answers with one JSON document."""

    def __init__(self, state_dir: Path, rotate: Callable[[], Awaitable[str]]) -> None:
        self._path = state_dir / _SOCKET
        self._rotate = rotate

    async def serve(self) -> None:
        """Answer, until cancelled."""
        await serve_privately(self._path, self._obey)

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            order = await reader.readline()
            writer.write(json.dumps(await self._answer(order)).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, order: bytes) -> dict[str, str]:
        if order != ROTATE:
            return {"error": "this agent does not know the order: is the command of another version?"}
        try:
            return {"thumbprint": await self._rotate()}
        except Exception as error:  # noqa: BLE001 - whatever it is, the operator who asked is told
            return {"error": str(error)}


def order_rotation(state_dir: Path) -> dict[str, str] | None:
    """Let the running agent rotate its key; return its answer, or none when no agent runs here.

    Raises:
        OSError: it runs, and did not answer in time.
    """
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(_ANSWER_TIMEOUT_S)
        try:
            with reachable(state_dir / _SOCKET) as path:
                line.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        line.sendall(ROTATE)
        with line.makefile("rb") as file:
            answer = json.loads(file.readline() or b'{"error": "the agent ended before it answered"}')
    return {str(name): str(value) for name, value in answer.items()}
