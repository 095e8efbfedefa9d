"""How long to wait before asking again, and the loop that does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from leasehold_agent.errors import LockedError, TokenRejectedError, UnavailableError

LONGEST_S = 30.0
FIRST_S = 0.5
_MAX_RETRY_AFTER_S = 300.0
"""An API that asks for more than this is not believed: no agent sleeps for an hour."""


class Backoff:
    """Waits that grow: uniform between 0 and min(30 s, 0.5 s · 2ⁿ), so that a fleet never comes back as one."""

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._failures = 0

    def after_failure(self, retry_after_s: float | None = None) -> float:
        """Return the seconds to wait now; at least what the API asked for."""
        ceiling = min(LONGEST_S, FIRST_S * 2 ** min(self._failures, 10))
        self._failures += 1
        asked = min(retry_after_s or 0.0, _MAX_RETRY_AFTER_S)
        return asked + self._uniform(0.0, ceiling)

    def after_success(self) -> bool:
        """Begin again with short waits; returns whether there were failures."""
        failed, self._failures = self._failures > 0, 0
        return failed


class Pauses:
    """The waits before requests are made again, all of one process: they end together when the API is back."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._begun = asyncio.Event()
        self._open = 0

    async def wait(self, seconds: float, *, asked_s: float | None = None) -> None:
        """Wait ``seconds``, or until the API is back; in any case ``asked_s`` of them, which the API asked for."""
        firm = min(seconds, asked_s or 0.0, _MAX_RETRY_AFTER_S)
        await asyncio.sleep(firm)
        self._open += 1
        self._begun.set()
        over = self._over
        try:
            async with asyncio.timeout(seconds - firm):
                await over.wait()
        except TimeoutError:
            pass
        finally:
            self._open -= 1
            if not self._open:
                self._begun.clear()

    async def begun(self) -> None:
        """Wait until somebody waits."""
        await self._begun.wait()

    def end(self) -> None:
        """The API is back: end all waits."""
        self._over.set()
        self._over = asyncio.Event()


pauses = Pauses()
"""Of this process: it talks to one API."""

T = TypeVar("T")


async def persist(ask: Callable[[], Awaitable[T]], *, backoff: Backoff | None = None, through_lock: bool = False) -> T:
    """Ask until the API is there. The caller bounds it: by a time-out, or by being cancelled.

    Args:
        ask: sends once.
        backoff: the waits to go on with.
        through_lock: a locked agent waits for its unlocking too. For what is finished work, and must not be lost.

    Raises:
        LinkError: every kind that waiting does not cure.
    """
    waits = backoff or Backoff()
    while True:
        try:
            answer = await ask()
        except UnavailableError as error:
            await pauses.wait(waits.after_failure(error.retry_after_s), asked_s=error.retry_after_s)
        except TokenRejectedError:
            await pauses.wait(waits.after_failure())
        except LockedError:
            if not through_lock:
                raise
            await asyncio.sleep(LONGEST_S)
        else:
            waits.after_success()
            return answer
