"""What a task needs before it starts and did not come with its lease: asked for until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from leasehold_agent.host.checks import Object
from leasehold_agent.runtimes.port import RuntimeMissingError


async def fetched(
    wanted: Mapping[str, str],
    ask: Callable[[str, str], Awaitable[Object]],
    stopped: asyncio.Event,
    read: Callable[[str], object],
) -> dict[str, object]:
    """Return name → value of what is at each path. Waits for the API as long as the lease lasts; empty when stopped.

    Args:
        wanted: Name → path.
        ask: Asks the API, through the agent.
        stopped: Nothing is needed any more.
        read: Reads what the agent put on the disk because it was too large for its answer.

    Raises:
        RuntimeMissingError: if the API has no value for one.
    """
    asking = asyncio.ensure_future(_all(list(wanted.values()), ask))
    stop = asyncio.ensure_future(stopped.wait())
    await asyncio.wait([asking, stop], return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not asking.done():
        asking.cancel()
        return {}
    return {name: _value(name, answer, read) for name, answer in zip(wanted, asking.result(), strict=True)}


async def _all(paths: list[str], ask: Callable[[str, str], Awaitable[Object]]) -> list[Object]:
    return await asyncio.gather(*(ask("GET", path) for path in paths))


def _value(name: str, answer: Object, read: Callable[[str], object]) -> object:
    body = answer.get("body")
    if answer.get("status") != 200 or not isinstance(body, dict):
        raise RuntimeMissingError(f"the input {name} could not be fetched: {body}")
    file = answer.get("file")
    return read(file) if isinstance(file, str) else body.get("value")
