"""The server's signing keys: ES256, *next* (published) → *active* (signs) → *retired* (still verifies).

Exactly one key is active, which the database enforces: a set of two would sign with either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

PUBLISHED_BEFORE_ACTIVE_S = 900.0
"""How long a next key is in the JWKS before it may sign; three times the JWKS's ``max-age``."""

RETIRED_VERIFIES_S = 1800.0
"""How long a retired key still verifies: longer than any token that it signed lives."""

JWKS_MAX_AGE_S = 300

ACTIVE_FOR_S = 30 * 86400.0
"""After this long a key is replaced, by itself."""


class KeyState(StrEnum):
    """Where a signing key is in its life."""

    NEXT = "next"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A signing key as the database has it."""

    kid: str
    state: KeyState
    public_jwk: str
    sealed_private_jwk: bytes = field(repr=False)
    created_at: float
    retired_at: float | None = None


class Seals(Protocol):
    """Seals private keys for the row they are in (``leasehold_api.context.sealing``)."""

    def seal(self, plaintext: bytes, *, identity: str) -> bytes:
        """Return ``plaintext`` sealed for ``identity``."""
        ...

    def open(self, sealed: bytes, *, identity: str) -> bytes:
        """Return what was sealed for ``identity``."""
        ...


class SigningKeyStore(Protocol):
    """Where signing keys are kept."""

    async def add(self, key: StoredKey) -> None:
        """Keep a key. A second key in state next or active is silently not kept: another process was first."""
        ...

    async def all(self) -> list[StoredKey]:
        """Return every key."""
        ...

    async def promote(self, kid: str, *, now: float) -> None:
        """Make the key *active* and the one that was active *retired*, in one transaction."""
        ...


class SignatureError(Exception):
    """A JWT is not ours, not of the kind asked for, or was changed."""


class SigningKeys:
    """Signs what the server issues and verifies what it issued."""

    def __init__(self, store: SigningKeyStore, sealer: Seals) -> None:
        self._store = store
        self._sealer = sealer
        self._public: dict[str, ECKey] = {}
        self._private: ECKey | None = None
        self._stored: list[StoredKey] = []

    @classmethod
    async def load(cls, store: SigningKeyStore, sealer: Seals, *, now: float) -> SigningKeys:
        """Return the keys in the store; on the first start, make the first one."""
        keys = cls(store, sealer)
        if not any(key.state is KeyState.ACTIVE for key in await store.all()):
            await store.add(keys.make(KeyState.ACTIVE, now=now))
        await keys.refresh(now=now)
        return keys

    async def refresh(self, *, now: float) -> None:
        """Read the store again. Call it every few minutes: another process may have rotated."""
        self._stored = await self._store.all()
        useful = [key for key in self._stored if key.retired_at is None or now < key.retired_at + RETIRED_VERIFIES_S]
        self._public = {key.kid: ECKey.import_key(json.loads(key.public_jwk)) for key in useful}
        for key in useful:
            if key.state is KeyState.ACTIVE and (self._private is None or self._private.kid != key.kid):
                opened = self._sealer.open(key.sealed_private_jwk, identity=identity(key.kid))
                self._private = ECKey.import_key(json.loads(opened))

    def rotation_is_due(self, *, now: float) -> bool:
        """Say whether ``rotate`` has something to do: the active key is old, or a next one waits to take its place."""
        return any(
            key.state is KeyState.NEXT or (key.state is KeyState.ACTIVE and now >= key.created_at + ACTIVE_FOR_S)
            for key in self._stored
        )

    async def rotate(self, *, now: float) -> None:
        """Take one step: publish a next key, or let it sign once it was published long enough."""
        following = [key for key in await self._store.all() if key.state is KeyState.NEXT]
        if not following:
            await self._store.add(self.make(KeyState.NEXT, now=now))
        elif now >= following[0].created_at + PUBLISHED_BEFORE_ACTIVE_S:
            await self._store.promote(following[0].kid, now=now)
        await self.refresh(now=now)

    def make(self, state: KeyState, *, now: float) -> StoredKey:
        """Return a new key, sealed."""
        key = ECKey.generate_key("P-256")
        kid = key.thumbprint()
        described = {"kid": kid, "use": "sig", "alg": "ES256"}
        private = json.dumps(key.as_dict(private=True, **described)).encode()
        return StoredKey(
            kid=kid,
            state=state,
            public_jwk=json.dumps(key.as_dict(private=False, **described)),
            sealed_private_jwk=self._sealer.seal(private, identity=identity(kid)),
            created_at=now,
        )

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """Return the public keys (RFC 7517)."""
        return {"keys": [dict(key.as_dict(private=False)) for key in self._public.values()]}

    def sign(self, header: Mapping[str, str], claims: Mapping[str, Any]) -> str:
        """Return a JWT of ``claims``, signed by the active key; ``header`` gives at least ``typ``."""
        if self._private is None:
            raise RuntimeError("no signing key is active; SigningKeys.load makes one")
        protected = {"alg": "ES256", "kid": str(self._private.kid), **header}
        return jwt.encode(cast("dict[str, Any]", protected), dict(claims), self._private, algorithms=["ES256"])

    def verified(self, text: str, *, typ: str) -> dict[str, Any]:
        """Return the claims of a JWT that this server signed. Times and audience are the caller's to check.

        Raises:
            SignatureError: if the signature, the key id, the algorithm or the ``typ`` is not right.
        """
        try:
            token = jwt.decode(text, lambda signature: self._key_of(signature.headers()), algorithms=["ES256"])
        except (JoseError, ValueError, RecursionError) as error:
            raise SignatureError("the token was not signed by this server") from error
        if token.header.get("typ") != typ:
            raise SignatureError(f"the token is not of type {typ}")
        return token.claims

    def _key_of(self, header: Mapping[str, Any]) -> ECKey:
        key = self._public.get(str(header.get("kid")))
        if key is None:
            raise SignatureError("the token was signed by a key that this server does not have any more")
        return key


def identity(kid: str) -> str:
    """Return what a signing key's private half is sealed for."""
    return f"signing_key:{kid}"
