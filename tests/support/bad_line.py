"""A line between agents and an API that fails on command: a TCP proxy on the loopback address, with TLS if asked.

It runs in a thread of its own. What it does to connections is said with ``behave``; that holds for open ones too, from
their next bytes on.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
CHUNK = 65536
_NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What the line does. Each field is a fault of its own; without any it passes everything on."""

    delay_s: float = 0.0
    """Every chunk comes this much later."""
    cut: bool = False
    """Connections are closed (FIN) at their next bytes."""
    reset: bool = False
    """Connections are reset (RST) at their next bytes."""
    reset_upload_after: int | None = None
    """A connection is reset once it carried so many bytes towards the API."""
    black_hole: bool = False
    """Bytes are taken and nothing is ever said: what a firewall does that drops. Such a connection stays lost."""
    half_answer: bool = False
    """The first half of an answer's bytes comes, then the connection closes."""
    holds_streams: bool = False
    """Answers of no length (chunked) are held back until they are whole: what a proxy does that buffers."""
    corrupt: bool = False
    """An answer begins with bytes that are no HTTP."""
    answer: bytes | None = None
    """In place of the API: this whole HTTP answer, then the connection closes."""
    share: float = 1.0
    """The part of all chunks that it happens to."""


PASS = Behaviour()


def http_answer(status: str, body: bytes, *headers: str, kind: str = "text/html") -> bytes:
    """Return an HTTP answer as something between agent and API gives it."""
    fixed = [f"content-type: {kind}", f"content-length: {len(body)}", "connection: close"]
    head = [f"HTTP/1.1 {status}", *fixed, *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


_PROBLEM = b'{"type":"about:blank","title":"Internal","status":500,"code":"internal","detail":"a fault of the test"}'
INTERNAL_ERROR = http_answer("500 Internal Server Error", _PROBLEM, kind="application/problem+json")
TOO_MANY = http_answer(
    "429 Too Many Requests", _PROBLEM.replace(b"500", b"429"), "retry-after: 1", kind="application/problem+json"
)
BAD_GATEWAY = http_answer("502 Bad Gateway", b"<html><h1>502 Bad Gateway</h1></html>")
LOGIN_PAGE = http_answer("200 OK", b"<html><form action=/login>Sign in to this network</form></html>")


@dataclass(eq=False)
class _Connection:
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    sent: int = 0
    is_lost: bool = False
    is_held: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def close(self, *, reset: bool = False) -> None:
        for writer in (self.near, self.far):
            if reset and (sock := writer.get_extra_info("socket")) is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            writer.transport.abort() if reset else writer.close()


class BadLine:
    """The proxy. ``port`` is the API's, on the loopback address."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, seed: int = 0) -> None:
        self.target = port
        """The API's port."""
        self._chance = random.Random(seed)
        self._behaviour = PASS
        self._scheme = "https" if tls else "http"
        self._open: set[_Connection] = set()
        self.connections = 0
        """How many came so far."""
        self.sent = 0
        """How many bytes came for the API so far."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="bad-line", daemon=True)
        self._thread.start()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._server = self._do(lambda: asyncio.start_server(self._connected, sock=self._listener, ssl=tls))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def behave(self, behaviour: Behaviour = PASS) -> None:
        """Do this from now on."""
        self._behaviour = behaviour

    def drop_all(self, *, reset: bool = True) -> None:
        """End every open connection now, whether it says something or not."""

        async def drop() -> None:
            for connection in list(self._open):
                connection.close(reset=reset)

        self._do(drop)

    def close(self) -> None:
        """End it, with every connection."""

        async def end() -> None:
            self._server.close()
            tasks = [task for connection in self._open for task in connection.tasks]
            for connection in list(self._open):
                connection.close(reset=True)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._do(end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _do(self, work: Callable[[], Awaitable[T]]) -> T:
        async def run() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _connected(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            if self._behaviour.answer is not None:
                with suppress(OSError):
                    await reader.read(CHUNK)
                    near.write(self._behaviour.answer or b"")
                    await near.drain()
            near.transport.abort()
            return
        connection = _Connection(near, far)
        self._open.add(connection)
        connection.tasks = [
            asyncio.ensure_future(self._pass_on(connection, reader, far, is_request=True)),
            asyncio.ensure_future(self._pass_on(connection, far_reader, near, is_request=False)),
        ]
        try:
            await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in connection.tasks:
                task.cancel()
            self._open.discard(connection)
            connection.close()

    async def _pass_on(
        self, connection: _Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_request: bool
    ) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                connection.sent += len(data) * is_request
                self.sent += len(data) * is_request
                if await self._may_pass(connection, data, is_request=is_request):
                    sink.write(data)
                    await sink.drain()
                elif not (connection.is_lost or connection.is_held):
                    return

    async def _may_pass(self, connection: _Connection, data: bytes, *, is_request: bool) -> bool:
        """Do what is to be done to a chunk; False when it must not go on as it is."""
        does = self._behaviour
        if does.holds_streams and not is_request:
            # A stream of the API's never becomes whole.
            connection.is_held = connection.is_held or b"application/x-ndjson" in data
            return not connection.is_held
        if connection.is_lost or does is PASS or self._chance.random() >= does.share:
            return not connection.is_lost
        if does.delay_s:
            await asyncio.sleep(does.delay_s)
        if does.black_hole:
            connection.is_lost = True
        elif does.cut or does.reset:
            connection.close(reset=does.reset)
        elif does.reset_upload_after is not None and connection.sent > does.reset_upload_after:
            connection.close(reset=True)
        elif does.answer is not None and is_request:
            connection.near.write(does.answer)
            await connection.near.drain()
        elif (does.half_answer or does.corrupt) and not is_request:
            connection.near.write(data[: len(data) // 2] if does.half_answer else b"\0\xff\x13" + data[3:])
            await connection.near.drain()
        else:
            return True
        return False
