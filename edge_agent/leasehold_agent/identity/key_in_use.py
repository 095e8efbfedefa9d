"""The key that signs at this moment, the one that shall replace it, and the nonce that goes into the next proof.

Everything that signs asks here each time.
"""

from __future__ import annotations

from collections.abc import Mapping

from leasehold_agent.identity.key import AgentKey


class KeyInUse:
    """The agent's key, which may change between two requests."""

    def __init__(self, current: AgentKey, *, successor: AgentKey | None = None) -> None:
        self.current = current
        self.successor = successor
        """Durable at this site, and perhaps known to the API already: its first use retires ``current``."""
        self._nonce: str | None = None

    def switch(self) -> None:
        """The API took the successor: the other key opens nothing any more."""
        if self.successor is not None:
            self.current, self.successor = self.successor, None

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take in the nonce that an answer has for the next proof (RFC 9449, 8.2), if it has one."""
        self._nonce = headers.get("dpop-nonce", self._nonce)

    def proof(self, *, method: str, url: str, now: float, token: str | None = None, key: AgentKey | None = None) -> str:
        """Return a DPoP proof by the current key, or by another ``key``, with the newest nonce."""
        return (key or self.current).proof(method=method, url=url, now=now, token=token, nonce=self._nonce)
