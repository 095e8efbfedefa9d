"""Passwords: which are good enough, and their argon2id hashes, made by few threads so that they stall nothing."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from leasehold_api.errors import UnavailableError

T = TypeVar("T")

SHORTEST = 12
LONGEST = 1024

THREADS = 2
MOST_WAITING = 24
"""So many may wait for a thread; each needs 64 MiB while its turn lasts, and nothing before."""

_COMMON = (
    "password",
    "passwort",
    "passw0rd",
    "leasehold",
    "welcome",
    "letmein",
    "changeme",
    "administrator",
    "admin",
    "secret",
    "iloveyou",
    "qwerty",
    "qwertz",
    "dragon",
    "monkey",
    "correcthorsebatterystaple",
)
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)
_LEAST_DIFFERENT = 5


def problem_with(password: str, *, name: str) -> str | None:
    """Return what is wrong with a password, and what would be better; none when it will do."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"take {SHORTEST} to {LONGEST} characters; this one has {len(password)}. Three or four words do well"
    plain = password.casefold()
    if plain == name.casefold() or plain == name.casefold().partition("@")[0]:
        return "take something else than your name"
    if _is_common(plain, name.casefold()):
        return "this one is among the first that are tried; three or four words that don't belong together do well"
    return None


def _is_common(plain: str, name: str) -> bool:
    """Say whether a password is a common word or the name with a tail, a row of keys, or a repetition."""
    if len(set(plain)) < _LEAST_DIFFERENT:
        return True
    letters = "".join(character for character in plain if character.isalnum())
    if any(letters in row or letters in row[::-1] for row in _ROWS):
        return True
    core = letters.strip("0123456789")
    if core in (*_COMMON, name):
        return True
    return any(plain == (plain[:size] * len(plain))[: len(plain)] for size in range(1, len(plain) // 2 + 1))


class Passwords:
    """Makes and checks hashes: argon2id with the second recommended parameters of RFC 9106 (section 4)."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password-hash")
        self._under_way = 0
        # Checked where there is no password, so that an unknown name takes as long as a known one.
        self._nobodys = _hash_of_nothing(self._hasher)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown()

    async def hash(self, password: str) -> str:
        """Return a hash to store.

        Raises:
            UnavailableError: if too many wait.
        """
        return await self._run(lambda: self._hasher.hash(_bytes(password)))

    async def is_right(self, password: str, password_hash: str | None) -> bool:
        """Compare a password with a stored hash; with none it takes as long, and is wrong.

        Raises:
            UnavailableError: if too many wait.
        """
        return await self._run(lambda: self._compare(password, password_hash or self._nobodys)) and bool(password_hash)

    def is_outdated(self, password_hash: str) -> bool:
        """Say whether a hash was made with other parameters than those of today."""
        return self._hasher.check_needs_rehash(password_hash)

    def _compare(self, password: str, password_hash: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= THREADS + MOST_WAITING:
            raise UnavailableError("too many people sign in at this moment: try again in a few seconds")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._under_way -= 1


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """Return what looks like a hash with today's parameters, and is of no password that anybody knows."""
    salt, digest = (b64encode(os.urandom(size)).rstrip(b"=").decode() for size in (hasher.salt_len, hasher.hash_len))
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


def _bytes(password: str) -> bytes:
    # The same characters may be typed in two forms, by keyboards of two systems (RFC 8265).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
