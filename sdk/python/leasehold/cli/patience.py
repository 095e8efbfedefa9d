"""Trying again: what to do while the API cannot be reached, for commands that follow something."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from leasehold.cli.errors import UnreachableError

T = TypeVar("T")

LONGEST_PAUSE_S = 5.0
"""Short, for a person is looking on: the API is back and the screen should know."""

FIRST_PAUSE_S = 0.5


def pause_s(failures: int, *, draw: Callable[[float, float], float] = random.uniform) -> float:
    """Return how long to wait after so many failures in a row: uniform in 0 … min(5 s, 0.5 s · 2ⁿ)."""
    return draw(0.0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures, 16)))


class Patience:
    """Repeats a request until the API answers. Says so once when it begins to wait, and once when it is over.

    Args:
        notice: is told.
        most_failures: how many failures in a row are borne; the next one is raised.
        sleep: how a pause passes.
    """

    def __init__(
        self,
        *,
        notice: Callable[[str], None],
        most_failures: float = math.inf,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._notice = notice
        self._most_failures = most_failures
        self._sleep = sleep
        self._told = False

    async def insist(self, request: Callable[[], Awaitable[T]]) -> T:
        """Return the answer, however long it takes. Everything but "unreachable" is raised at once."""
        failures = 0
        while True:
            try:
                answer = await request()
            except UnreachableError as error:
                if failures >= self._most_failures:
                    raise
                self._lost(error)
                await self._sleep(pause_s(failures))
                failures += 1
            else:
                if failures:
                    self._found()
                return answer

    def _lost(self, error: UnreachableError) -> None:
        if not self._told:
            self._told = True
            self._notice(f"{error.cause} Trying again until it answers; the run itself goes on.")

    def _found(self) -> None:
        # The first of several that wait says it for all of them.
        if self._told:
            self._told = False
            self._notice("The API answers again.")
