"""How a host ends a container: by asking its engine, once, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib

from leasehold_agent.runtimes.port import Contained


class ContainerEnd:
    """The end of one container."""

    def __init__(self, contained: Contained) -> None:
        self._contained = contained
        self._ending: asyncio.Task[None] | None = None

    @property
    def is_ending(self) -> bool:
        """The engine was asked to end it."""
        return self._ending is not None

    def begin(self) -> asyncio.Task[None]:
        """Ask the engine to end and remove it."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        return self._ending

    async def ended(self, *, was_client_done: bool) -> None:
        """Return when it is gone; it is asked for only where the engine's client did not see to its end."""
        if self.is_ending or not was_client_done:
            await self.begin()

    async def _end(self) -> None:
        from leasehold_agent.runtimes.engines import end_container

        # One that does not end keeps its engine busy, not this host: whoever looks finds it by its name.
        with contextlib.suppress(TimeoutError):
            await asyncio.to_thread(end_container, self._contained.engine, self._contained.name)
