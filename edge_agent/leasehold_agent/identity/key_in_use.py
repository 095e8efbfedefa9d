"""The key that signs at this moment, and the one that shall replace it. Everything that signs asks here each time."""

from __future__ import annotations

from leasehold_agent.identity.key import AgentKey


class KeyInUse:
    """The agent's key, which may change between two requests."""

    def __init__(self, current: AgentKey, *, successor: AgentKey | None = None) -> None:
        self.current = current
        self.successor = successor
        """Durable at this site, and perhaps known to the API already: its first use retires ``current``."""

    def switch(self) -> None:
        """The API took the successor: the other key opens nothing any more."""
        if self.successor is not None:
            self.current, self.successor = self.successor, None
