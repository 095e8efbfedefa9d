"""How a host ends a container: by asking its engine, once, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

from leasehold_agent.host import tree
from leasehold_agent.runtimes.port import Contained


class ContainerEnd:
    """The end of one container."""

    def __init__(self, contained: Contained) -> None:
        self._contained = contained
        self._ending: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    @property
    def is_ending(self) -> bool:
        """The engine was asked to end it."""
        return self._ending is not None

    def begin(self) -> asyncio.Task[None]:
        """Ask the engine to end and remove it."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        return self._ending

    def ask(self, client: int) -> None:
        """Ask its first process to end; before there is a container the engine's client ``client`` is asked.

        Not the client in any case: one that has just started its container does not pass signals on yet, and dies.
        """
        if not Path(self._contained.id_file).exists():
            tree.send([client], signal.SIGTERM)
            return
        from leasehold_agent.runtimes.engines import ask_container_to_end

        asking = asyncio.to_thread(ask_container_to_end, self._contained.engine, self._contained.name)
        self._asking = asyncio.get_running_loop().create_task(asking)

    async def ended(self, *, was_client_done: bool) -> None:
        """Return when it is gone; it is asked for only where the engine's client did not see to its end."""
        if self._asking is not None:
            await self._asking
        if self.is_ending or self._asking is not None or not was_client_done:
            await self.begin()

    async def _end(self) -> None:
        from leasehold_agent.runtimes.engines import end_container

        # One that does not end keeps its engine busy, not this host: whoever looks finds it by its name.
        with contextlib.suppress(TimeoutError):
            await asyncio.to_thread(end_container, self._contained.engine, self._contained.name)
