"""What a task needs before it starts and did not come with its lease: asked for until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from leasehold_agent.host.checks import Object
from leasehold_agent.runtimes.port import RuntimeMissingError

Ask = Callable[[str, str], Awaitable[Object]]
_MAPPED = "/v1/mapped-xcoms/"


async def fetched(
    wanted: Mapping[str, str],
    ask: Ask,
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


async def _all(paths: list[str], ask: Ask) -> list[Object]:
    return await asyncio.gather(*(_whole(path, ask) for path in paths))


async def _whole(path: str, ask: Ask) -> Object:
    """Return the answer at a path; the values of a mapped task are gathered page by page."""
    if not path.startswith(_MAPPED):
        return await ask("GET", path)
    values: list[object] = []
    while True:
        answer = await ask("GET", f"{path}&offset={len(values)}")
        body = answer.get("body")
        if answer.get("status") != 200 or not isinstance(body, dict):
            return answer
        page = cast("dict[str, object]", body)
        items = cast("list[dict[str, object]]", page.get("items"))
        if any(item.get("inline") is not True for item in items):
            return {"status": 413, "body": "one of the values is too large for a program: let the task read it"}
        values += [item.get("value") for item in items]
        if not items or len(values) >= cast("int", page.get("count")):
            return {"status": 200, "body": {"value": values}}


def _value(name: str, answer: Object, read: Callable[[str], object]) -> object:
    body = answer.get("body")
    if answer.get("status") != 200 or not isinstance(body, dict):
        raise RuntimeMissingError(f"the input {name} could not be fetched: {body}")
    file = answer.get("file")
    return read(file) if isinstance(file, str) else body.get("value")
