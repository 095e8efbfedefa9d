"""Nonces of this server (RFC 9449, sections 8 and 9): a proof that names one was made just now, by whatever clock.

They are stateless, so that every API process takes what any of them handed out: the time it was made, and a MAC over it
by a key that all processes derive from the key-encryption keys.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence

LIFE_S = 300.0
"""How long a nonce is good: the longest that a proof made with it can be kept back before it is sent."""
RENEWED_AFTER_S = LIFE_S / 2
"""A caller whose nonce is older than this is handed a fresh one with the answer, and so never meets its end."""
PURPOSE = "DPoP nonces v1"
_CLOCKS_APART_S = 30.0
"""How far ahead the clock of another process's machine may be."""
_TIME_BYTES = 6
_MAC_BYTES = 18
_LENGTH = (_TIME_BYTES + _MAC_BYTES) * 4 // 3


class Nonces:
    """Makes nonces and tells how old one is."""

    def __init__(self, derive: Callable[[], Sequence[bytes]]) -> None:
        """Take what derives the keys, the one to make nonces with first; it is asked again when a nonce is unknown."""
        self._derive = derive
        self._keys = derive()

    def fresh(self, *, now: float) -> str:
        """Return a nonce made ``now`` (seconds since 1970)."""
        made_at = int(now).to_bytes(_TIME_BYTES, "big")
        return urlsafe_b64encode(made_at + _mac(self._keys[0], made_at)).decode()

    def age_s(self, nonce: str, *, now: float) -> float | None:
        """Return the age of a nonce that is good, in seconds; none when it is too old, or not from here."""
        if len(nonce) != _LENGTH or not nonce.isascii():
            return None
        try:
            data = urlsafe_b64decode(nonce)
        except ValueError:
            return None
        made_at, mac = data[:_TIME_BYTES], data[_TIME_BYTES:]
        age = now - int.from_bytes(made_at, "big")
        if not -_CLOCKS_APART_S <= age <= LIFE_S:
            return None
        return age if self._is_ours(made_at, mac) else None

    def _is_ours(self, made_at: bytes, mac: bytes) -> bool:
        if _fits(self._keys, made_at, mac):
            return True
        # Another process may know a newer key-encryption key already.
        self._keys = self._derive()
        return _fits(self._keys, made_at, mac)


def _fits(keys: Sequence[bytes], made_at: bytes, mac: bytes) -> bool:
    return any(hmac.compare_digest(_mac(key, made_at), mac) for key in keys)


def _mac(key: bytes, made_at: bytes) -> bytes:
    return hmac.new(key, made_at, hashlib.sha256).digest()[:_MAC_BYTES]
