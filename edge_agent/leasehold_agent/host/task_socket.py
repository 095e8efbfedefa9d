"""``task.sock``: the task's HTTP server, one coroutine per connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from leasehold_agent.host.http_wire import (
    HEAD_LIMIT,
    Answer,
    RefusedRequestError,
    Request,
    read_request,
    refusal,
    render,
)

_BACKLOG = 1024
"""Connections that the system keeps until they are taken; what comes beyond fails in most languages with EAGAIN."""
_MOST_CONNECTIONS = 128
_PLACE_S = 30.0
"""How long a connection waits for one of the places; each request that is answered meanwhile gives one back."""
_DISCARD_S = 2.0
_PIECE_BYTES = 256 * 1024


class TaskSocket:
    """Serves one task's requests."""

    def __init__(self, *, secret: str, answer: Callable[[Request], Awaitable[Answer]]) -> None:
        self._secret = secret
        self._answer = answer
        self._writers: set[asyncio.StreamWriter] = set()
        self._idle: dict[asyncio.StreamWriter, None] = {}
        self._places = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._server: asyncio.Server | None = None

    async def serve(self, listening: socket.socket) -> None:
        """Take connections from ``listening``."""
        self._server = await asyncio.start_unix_server(
            self._connected, sock=listening, backlog=_BACKLOG, limit=2 * HEAD_LIMIT
        )

    def close(self) -> None:
        """End every connection: what is written after this would not be covered by the ending."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            if not await self._place():
                detail = f"more than {_MOST_CONNECTIONS} requests wait for answers at once: ask for less at a time"
                writer.write(render(refusal(RefusedRequestError(503, "unavailable", detail)), keep_alive=False))
                await _discard(reader)
                return
            try:
                with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                    while await self._exchange(reader, writer):
                        await writer.drain()
            finally:
                self._idle.pop(writer, None)
                self._places.release()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _place(self) -> bool:
        """Wait for one of the places; the connection that has been idle for longest gives its own away."""
        if self._places.locked() and self._idle:
            # Nothing of a request is lost: whatever it sends from now on is not read, and sent again by its client.
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.transport.abort()
        try:
            async with asyncio.timeout(_PLACE_S):
                await self._places.acquire()
        except TimeoutError:
            return False
        return True

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection ends with it."""
        try:
            begun = partial(self._idle.pop, writer, None)
            request = await read_request(reader, writer, secret=self._secret, begun=begun)
            if request is None:
                return False
            answer, keep_alive = await self._answered(request)
        except RefusedRequestError as refused:
            writer.write(render(refusal(refused), keep_alive=False))
            await _discard(reader)
            return False
        # Others may wait for the place; and behind a body that was not read no request can be found.
        keep_alive = keep_alive and not self._places.locked() and request.stream.is_read
        writer.write(render(answer, keep_alive=keep_alive))
        for part in answer.more:
            await _send(writer, part)
        if not request.stream.is_read:
            await _discard(reader)
        if keep_alive:
            self._idle[writer] = None
        return keep_alive

    async def _answered(self, request: Request) -> tuple[Answer, bool]:
        try:
            return await self._answer(request), request.keep_alive
        except RefusedRequestError as refused:
            return refusal(refused), request.keep_alive and not refused.closes
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as problem:
            # A mistake of ours, or a broken disk: the task gets an answer it can act on, the host lives on.
            detail = f"the attempt host failed at this request: {problem!r}"
            return refusal(RefusedRequestError(500, "internal", detail)), True


async def _send(writer: asyncio.StreamWriter, part: Path | bytes) -> None:
    """Send one part of an answer; a file piece by piece, as fast as the task reads it."""
    if isinstance(part, bytes):
        writer.write(part)
        return
    with part.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            writer.write(piece)
            await writer.drain()


async def _discard(reader: asyncio.StreamReader) -> None:
    """Read what a refused client still sends: closing at once would cost it the answer that says why."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(_DISCARD_S):
            while await reader.read(HEAD_LIMIT):
                pass
