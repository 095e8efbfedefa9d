"""``/v1/agent/stream``: push. The answer stays open, and leases and orders are written on it as lines of JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from starlette.types import Receive, Scope, Send

from leasehold_api import clock
from leasehold_api.callers import AgentCaller
from leasehold_api.fault_points import reach
from leasehold_api.http.access import agent_caller
from leasehold_api.http.answers import brief_json
from leasehold_api.http.house import House, house
from leasehold_api.http.leases_out import leases_out
from leasehold_api.leases.dispatch import Handed
from leasehold_api.leases.streams import Stream
from leasehold_protocol.v1.grants import StreamGrant, StreamRequest
from leasehold_protocol.v1.stream import StreamLine

router = APIRouter(prefix="/v1/agent/stream", tags=["agents"])

Caller = Annotated[AgentCaller, Depends(agent_caller)]

LONGEST_S = 6 * 3600.0
"""A stream is opened anew after this long at the latest: two clocks that count apart drift apart."""
_HEADERS = {
    "cache-control": "no-store",
    "content-type": "application/x-ndjson",
    # What some proxies take as: pass every line on at once.
    "x-accel-buffering": "no",
}
_SIGN_OF_LIFE = b'{"kind":"keepalive","granted":%d}\n'
_LAST_LINE = b'{"kind":"refresh"}\n'


@router.post("", response_model=StreamLine, responses={200: {"description": "One line of JSON after the other"}})
async def stream(request: Request, caller: Caller, body: StreamRequest) -> Response:
    """Push: take leases, cancellations and orders as they come, never more leases than were granted."""
    return _OpenAnswer(lambda: _lines(request, caller, body))


@router.post("/grants", status_code=204)
async def grant(request: Request, caller: Caller, body: StreamGrant) -> Response:
    """Say how many leases may be sent on an open stream."""
    house(request).streams.grant(caller.agent_id, body, good_until=caller.token_expires_at)
    return Response(status_code=204)


async def _lines(request: Request, caller: AgentCaller, body: StreamRequest) -> AsyncGenerator[bytes]:
    """Yield what is written, until the stream ends; the last line says that it ended well."""
    services, began = house(request), time.monotonic()
    good_until = min(caller.token_expires_at, clock.now() + LONGEST_S)
    streams = services.streams.opened(caller.agent_id, body.stream, free_slots=body.free_slots, good_until=good_until)
    with streams as open_stream:
        keepalive_s = float(services.settings.keepalive_s)
        yield _written(StreamLine(kind="opened", keepalive_s=keepalive_s, granted=open_stream.granted))
        following = services.dispatch.follow(caller, open_stream, sign_of_life_s=keepalive_s)
        async with aclosing(following):
            async for handed in following:
                if handed.claimed:
                    reach("api.claim.committed.before-answer")
                    yield await _news(request, caller, handed, open_stream, began)
                    continue
                if not await _may_go_on(services, caller, open_stream, began):
                    break
                if handed.control or handed.orders:
                    yield await _news(request, caller, handed, open_stream, began)
                else:
                    yield _SIGN_OF_LIFE % open_stream.granted
        yield _LAST_LINE


async def _news(request: Request, caller: AgentCaller, handed: Handed, stream: Stream, began: float) -> bytes:
    after_s = time.monotonic() - began
    leases = await leases_out(request, caller, handed)
    line = StreamLine(
        kind="news",
        leases=leases,
        control=handed.control,
        orders=handed.orders,
        after_s=after_s,
        granted=stream.granted,
    )
    return _written(line)


async def _may_go_on(services: House, caller: AgentCaller, stream: Stream, began: float) -> bool:
    """Say whether the agent may keep its stream: what let it in is looked at again, with every sign of life."""
    now, keepalive_s = clock.now(), services.settings.keepalive_s
    if now + keepalive_s > stream.good_until or time.monotonic() - began > LONGEST_S:
        return False
    await services.presence.seen(caller.agent_id, now=now)
    return await services.authentication.still_lets_in(caller)


def _written(line: StreamLine) -> bytes:
    return brief_json(line).encode() + b"\n"


class _OpenAnswer(Response):
    """Writes lines as they come, and stops at once when the agent closes its connection.

    Starlette's own notices that only with the next line; until then leases would be claimed for nobody.
    """

    def __init__(self, lines: Callable[[], AsyncGenerator[bytes]]) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        del scope
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        writing = asyncio.ensure_future(self._write(send))
        gone = asyncio.ensure_future(_gone(receive))
        both: set[asyncio.Future[Any]] = {writing, gone}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _write(self, send: Send) -> None:
        async with aclosing(self._lines()) as lines:
            async for line in lines:
                await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
