"""``host.sock``: the agent's line to the host, which never needs it: a question for the API waits until it is there."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from leasehold_agent.host.checks import Object
from leasehold_agent.host.http_wire import LARGE_BODY

_LONGEST_LINE = LARGE_BODY + 1024 * 1024
_MOST_UNSENT = 1024 * 1024


@dataclass(slots=True)
class Question:
    """One question that only the API can answer, and the future of its answer."""

    number: int
    method: str
    path: str
    body: object
    answer: asyncio.Future[Object] = field(default_factory=asyncio.Future[Object])

    def line(self) -> bytes:
        """Return it as the agent reads it."""
        # An agent that knows "takes_files" puts what is long into ``fetched/``, and names it in its answer.
        ask = {
            "ask": self.number, "method": self.method, "path": self.path, "body": self.body, "takes_files": True,
        }  # fmt: skip
        return json.dumps(ask).encode() + b"\n"


class Control:
    """The agent's connection, or the lack of one."""

    def __init__(self, *, hello: Callable[[], list[Object]], heard: Callable[[Object], None]) -> None:
        """Args:
        hello: What a new connection is told first.
        heard: Called with every message that is not an ``answer``.
        """
        self._hello = hello
        self._heard = heard
        self._writer: asyncio.StreamWriter | None = None
        self._open: dict[int, Question] = {}
        self._numbers = itertools.count(1)

    async def serve(self, listening: socket.socket) -> asyncio.Server:
        """Take connections from ``listening``."""
        return await asyncio.start_unix_server(self._connected, sock=listening, limit=_LONGEST_LINE)

    def tell(self, message: Object) -> None:
        """Tell the agent, if it is there and listens; what it misses it sees in the directory."""
        writer = self._writer
        if writer is not None and writer.transport.get_write_buffer_size() < _MOST_UNSENT:
            writer.write(json.dumps(message).encode() + b"\n")

    async def ask(self, method: str, path: str, body: object = None) -> Object:
        """Ask the API through the agent. Waits for as long as it takes: bound it.

        A question that was open when the agent went away is put again to the next connection.
        """
        question = Question(next(self._numbers), method, path, body)
        self._open[question.number] = question
        if self._writer is not None:
            self._writer.write(question.line())
        try:
            return await question.answer
        finally:
            del self._open[question.number]

    async def close(self) -> None:
        """Send what is still unsent, for a moment at most."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.drain(), 1)
            writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        for message in self._hello():
            self.tell(message)
        for question in self._open.values():
            writer.write(question.line())
        try:
            await self._listen(reader, writer)
        finally:
            if self._writer is writer:
                self._writer = None
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A replaced connection may still have lines in its buffer: they come from an agent that is gone.
        while self._writer is writer:
            try:
                line = await reader.readline()
            except (ValueError, ConnectionError):
                return
            if not line.endswith(b"\n"):
                return
            try:
                self._dispatch(json.loads(line))
            except (ValueError, TypeError, KeyError, RecursionError) as problem:
                self.tell({"tell": "not_understood", "message": f"{problem!r}", "line": line[:200].decode("latin-1")})

    def _dispatch(self, line: object) -> None:
        message = cast("Object", line if isinstance(line, dict) else {})
        match message:
            case {"do": "answer", "id": int(number)}:
                question = self._open.get(number)
                if question is not None and not question.answer.done():
                    question.answer.set_result(message)
            case {"do": str()}:
                self._heard(message)
            case _:
                raise ValueError('a message is an object with "do"')
