"""Key rotation: a new key is durable here before it is proposed, and recorded before the old one is forgotten.

A crash after any step leaves an identity that works: until the new key is used both do, and afterwards the agent,
refused with the old key, finds the other one in its record (``TokenRequests``) and goes on from there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from leasehold_agent.identity.access import CachedToken
from leasehold_agent.identity.key import AgentKey
from leasehold_agent.identity.key_in_use import KeyInUse
from leasehold_agent.identity.key_store import KeyMissingError, KeyStore
from leasehold_agent.identity.oauth import TokenRequests
from leasehold_agent.identity.record import Identity, write_record


class KeyRotation:
    """Replaces the agent's key, one rotation at a time."""

    def __init__(
        self,
        identity: Identity,
        keys: KeyInUse,
        store: KeyStore,
        state_dir: Path,
        *,
        propose: Callable[[AgentKey], Awaitable[None]],
        tokens: TokenRequests,
        access: CachedToken,
    ) -> None:
        self._identity = identity
        self._keys = keys
        self._store = store
        self._state_dir = state_dir
        self._propose = propose
        self._tokens = tokens
        self._access = access
        self._one_at_a_time = asyncio.Lock()

    async def rotate(self) -> str:
        """Replace the key, or finish a rotation that began; return the new key's thumbprint.

        Raises:
            LinkError: the API could not be asked, or refused. The identity works as before; ask again later.
            StoreUnreachableError: the new key could not be kept.
        """
        async with self._one_at_a_time:
            await self._replace()
            return self._keys.current.thumbprint

    async def rotate_if_due(self, *, every_s: float, now: float) -> None:
        """Replace a key of this age in seconds, and finish what an earlier rotation left.

        Raises:
            LinkError: as ``rotate`` does.
            StoreUnreachableError: as ``rotate`` does.
        """
        async with self._one_at_a_time:
            if every_s != self._identity.rotate_key_every_s:
                await self._write(rotate_key_every_s=every_s)
            await self._settle()
            if self._identity.next_key_name is not None or now - self._identity.key_since >= every_s:
                await self._replace()

    async def check_store(self) -> None:
        """See that the store still gives the key that signs.

        Raises:
            StoreUnreachableError: the store can't be used.
            KeyMissingError: it has no such key.
        """
        await asyncio.to_thread(self._store.get, self._identity.key_name)

    async def _replace(self) -> None:
        await self._settle()
        successor = await self._prepare()
        # A token request finds out whether the API took the successor in an earlier try, whose answer was lost.
        await self._access.current()
        if self._keys.successor is not None:
            await self._propose(successor)
            self._access.put(await self._tokens.use_successor())
        await self._settle()

    async def _prepare(self) -> AgentKey:
        """Return the next key, recorded and stored. The record comes first, so that no stored key is ever forgotten."""
        if self._keys.successor is None:
            successor = AgentKey.generate()
            name = self._identity.next_key_name or f"agent-{secrets.token_hex(6)}"
            await self._write(next_key_name=name)
            await asyncio.to_thread(self._store.put, name, successor.private_der())
            self._keys.successor = successor
        return self._keys.successor

    async def _settle(self) -> None:
        """Record a key that the API took, and forget the one before."""
        taken = self._identity.next_key_name
        if taken is not None and self._keys.successor is None and await asyncio.to_thread(self._has_switched, taken):
            await self._write(
                key_name=taken, next_key_name=None, retired_key_name=self._identity.key_name, key_since=time.time()
            )
        if (retired := self._identity.retired_key_name) is not None:
            await asyncio.to_thread(self._store.delete, retired)
            await self._write(retired_key_name=None)

    def _has_switched(self, name: str) -> bool:
        """Tell a key that was switched to from one that was only recorded when storing it failed."""
        try:
            return AgentKey.from_der(self._store.get(name)).thumbprint == self._keys.current.thumbprint
        except KeyMissingError:
            return False

    async def _write(self, **changes: str | float | None) -> None:
        identity = self._identity.model_copy(update=changes)
        await asyncio.to_thread(write_record, self._state_dir, identity)
        self._identity = identity
