"""What the calls of a task reach beyond its attempt directory."""

from __future__ import annotations

from typing import Protocol

from leasehold.runtime.rules.endings import Said
from leasehold_agent.host.checks import Object


class Notes(Protocol):
    """What the host keeps of a task's own words, and the ways out of the process."""

    def heartbeat(self, progress: float | None, note: str | None) -> None:
        """Remember a sign of life, for the next renewal."""
        ...

    def label(self, text: str) -> None:
        """Remember what people shall call the task instance."""
        ...

    def say_ending(self, said: Said) -> None:
        """Remember how the task says it ends."""
        ...

    def runs_for_s(self) -> float:
        """Return how long this host has run, by a clock that does not jump."""
        ...

    async def ask(self, method: str, path: str, body: object = None) -> Object:
        """Ask the API through the agent, waiting for both."""
        ...

    def drain(self) -> None:
        """Take what the task has printed so far, so that a record lands behind it."""
        ...
