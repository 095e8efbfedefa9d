"""What an agent does when its API is back, and what it believes of answers that were long on their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from leasehold_agent.backoff import Pauses
from leasehold_agent.clock import ServerClock
from leasehold_agent.link.http import Http
from leasehold_agent.link.line_watch import LineWatch
from tests.support.bad_line import LOGIN_PAGE, http_answer

HEALTHY = http_answer("200 OK", b"{}", kind="application/json")


class Door:
    """A server that gives one answer to everything, or is not there."""

    def __init__(self) -> None:
        self.answer = HEALTHY
        self.asked = asyncio.Event()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.answer)
        self.asked.set()
        await writer.drain()
        writer.close()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    await door.open()
    yield door
    await door.close()


async def test_waits_end_together_and_new_ones_are_whole() -> None:
    pauses = Pauses()
    waiting = [asyncio.ensure_future(pauses.wait(3600)) for _ in range(3)]
    await pauses.begun()

    pauses.end()

    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    later = asyncio.ensure_future(pauses.wait(3600))
    done, _ = await asyncio.wait([later], timeout=0.05)
    assert not done
    later.cancel()


async def test_what_the_api_asked_for_is_waited_for_in_any_case() -> None:
    pauses = Pauses()
    waiting = asyncio.ensure_future(pauses.wait(3600, asked_s=3600))

    pauses.end()

    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    waiting.cancel()


@pytest.mark.parametrize("absence", ["refused", "login page"])
async def test_an_api_that_is_back_ends_all_waits(absence: str, door: Door) -> None:
    pauses, http = Pauses(), Http(f"http://127.0.0.1:{door.port}", clock=ServerClock(), version="test")
    if absence == "refused":
        await door.close()
    door.answer = LOGIN_PAGE
    watch = asyncio.ensure_future(LineWatch(http, pauses, uniform=lambda _low, _high: 0.01).run())
    waiting = asyncio.ensure_future(pauses.wait(3600))
    if absence == "login page":
        await door.asked.wait()
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done

    door.answer = HEALTHY
    if absence == "refused":
        await door.open()

    async with asyncio.timeout(10):
        await waiting
    watch.cancel()
    await http.close()


async def test_an_api_that_is_there_and_fails_is_left_in_peace(door: Door) -> None:
    pauses, http = Pauses(), Http(f"http://127.0.0.1:{door.port}", clock=ServerClock(), version="test")
    watch = asyncio.ensure_future(LineWatch(http, pauses).run())
    waiting = asyncio.ensure_future(pauses.wait(3600))

    async with asyncio.timeout(10):
        await door.asked.wait()

    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    waiting.cancel()
    watch.cancel()
    await http.close()
