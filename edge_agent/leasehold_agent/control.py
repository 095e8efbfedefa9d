"""The line on which the site's operator orders something of a running agent: ``<state>/control.sock``."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from leasehold_agent.local_socket import reachable, serve_privately

_SOCKET = "control.sock"
_ANSWER_TIMEOUT_S = 90.0
Answer = dict[str, Any]
"""What the agent says to an order; ``error`` when it could not be carried out."""
Obey = Callable[[dict[str, Any]], Awaitable[Answer]]


class ControlSocket:
    """Takes one order per connection, from this user and root only: a line of JSON, answered by another.

    Args:
        state_dir: where the socket is.
        orders: who carries out which ``order``; gets all that the line says.
    """

    def __init__(self, state_dir: Path, orders: Mapping[str, Obey]) -> None:
        self._path = state_dir / _SOCKET
        self._orders = orders

    async def serve(self) -> None:
        """Answer, until cancelled."""
        await serve_privately(self._path, self._obey)

    async def _obey(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            line = await reader.readline()
            writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            order = json.loads(line)
            obey = self._orders[order["order"]]
        except (ValueError, KeyError, TypeError):
            return {"error": "this agent does not know the order: is the command of another version?"}
        try:
            return await obey(order)
        except Exception as error:  # noqa: BLE001 - whatever it is, the operator who asked is told
            return {"error": str(error)}


def give_order(state_dir: Path, order: str, **more: object) -> Answer | None:
    """Give the running agent an order; return its answer, or none when no agent runs here.

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
        line.sendall(json.dumps({"order": order, **more}).encode() + b"\n")
        with line.makefile("rb") as file:
            answer = json.loads(file.readline() or b'{"error": "the agent ended before it answered"}')
    return answer if isinstance(answer, dict) else {"error": "the agent's answer can't be understood"}
