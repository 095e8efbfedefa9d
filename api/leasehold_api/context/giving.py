"""What goes with a lease to a trusted site: read as if the task had asked, by the same rules, with the same trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from leasehold_api.callers import TaskCaller
from leasehold_api.context.connections import Connections
from leasehold_api.context.variables import Variables
from leasehold_api.errors import ApiError
from leasehold_protocol.v1.context import Given

PATIENCE_S = 1.0
"""A lease does not wait longer for a secret's source: the task will ask."""
_Value = TypeVar("_Value")


class Giving:
    """Reads what a task declared."""

    def __init__(self, connections: Connections, variables: Variables) -> None:
        self._connections = connections
        self._variables = variables

    async def given(
        self, reader: TaskCaller, *, connections: Iterable[str], variables: Iterable[str], now: float
    ) -> Given:
        """Return what the task may have of what it declared; what can't be had now is left out."""
        opened, values = await asyncio.gather(
            _had(connections, lambda name: self._connections.read(reader, name, now=now)),
            _had(variables, lambda key: self._variables.read(reader, key, now=now)),
        )
        return Given(connections=opened, variables=values)


async def _had(names: Iterable[str], read: Callable[[str], Awaitable[_Value]]) -> list[_Value]:
    """Return what could be read in time."""

    async def one(name: str) -> list[_Value]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return [await read(name)]
        except (ApiError, TimeoutError):
            # The task will ask for it, and be told why it can't have it.
            return []

    found = await asyncio.gather(*(one(name) for name in dict.fromkeys(names)))
    return [value for values in found for value in values]
