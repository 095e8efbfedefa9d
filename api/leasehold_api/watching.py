"""Requests that wait for something to change: a run, a log."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager


class Expectation:
    """One request's interest in one key."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._in_vain = False

    def changed(self) -> None:
        """Something changed."""
        self._event.set()

    def give_up(self) -> None:
        """Nothing will come any more."""
        self._in_vain = True
        self._event.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for a change; return whether there was one within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return not self._in_vain


class Watch:
    """Wakes those who wait for a key. Lives in the event loop's thread."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[Expectation]] = defaultdict(set)
        self._closed = False

    def changed(self, key: str) -> None:
        """Wake everyone who waits for ``key``."""
        for expectation in self._waiting.get(key, ()):
            expectation.changed()

    def close(self) -> None:
        """Wake everyone, now and from now on: the service is stopping."""
        self._closed = True
        for expectations in self._waiting.values():
            for expectation in expectations:
                expectation.give_up()

    @contextmanager
    def expect(self, key: str) -> Generator[Expectation]:
        """Begin to watch; look at the thing itself after this, and then wait: no change is missed."""
        expectation = Expectation()
        self._waiting[key].add(expectation)
        if self._closed:
            expectation.give_up()
        try:
            yield expectation
        finally:
            self._waiting[key].discard(expectation)
            if not self._waiting[key]:
                del self._waiting[key]
