"""The agent's access token: kept in memory, renewed when half of its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from leasehold_agent.clock import boottime
from leasehold_agent.errors import UnavailableError
from leasehold_agent.identity.oauth import Granted
from leasehold_agent.secret import Secret


class CachedToken:
    """One token and the way to get the next. However many ask at once, one request is made."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Granted]],
        *,
        first: Granted | None = None,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token: Secret | None = None
        self._half_over = self._over = 0.0
        if first is not None:
            self.put(first)

    async def current(self) -> Secret:
        """Return a token that is good, as far as is known here.

        Raises:
            LinkError: there is none, and none could be had.
        """
        async with self._lock:
            if self._token is not None and self._clock() < self._half_over:
                return self._token
            try:
                asked_at = self._clock()
                self.put(await self._ask(), asked_at=asked_at)
            except UnavailableError:
                # The old one still opens the API for a while, should it come back in this very moment.
                if self._token is None or self._clock() >= self._over:
                    raise
            if self._token is None:
                raise AssertionError("a token was put just before")
            return self._token

    def put(self, granted: Granted, *, asked_at: float | None = None) -> None:
        """Take a token that came another way: with a lease, or with a renewal."""
        start = self._clock() if asked_at is None else asked_at
        self._token = granted.token
        self._half_over = start + granted.lasts_s / 2
        self._over = start + granted.lasts_s

    def reject(self, token: Secret) -> None:
        """Forget ``token``, which the API did not accept, unless another is here already."""
        if self._token == token:
            self._token = None
