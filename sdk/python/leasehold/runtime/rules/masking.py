"""Masking: no registered secret reaches the disk, in any usual encoding, however the writes cut it in pieces."""

from __future__ import annotations

import re

from leasehold.runtime.rules.encodings import SHORTEST_SECRET, encodings

MASK = b"***"


class SecretTooShortError(ValueError):
    """A text is too short to be masked."""

    def __init__(self) -> None:
        super().__init__(
            f"a secret of fewer than {SHORTEST_SECRET} characters can't be masked: it would hide parts of ordinary "
            "words. Use a longer secret, and don't print this one"
        )


class Secrets:
    """What must not be seen. Grows while the task runs; every ``MaskedStream`` follows it.

    Attributes:
        told: How many secrets it was told, those included that can't be masked.
    """

    def __init__(self) -> None:
        self.told = 0
        self._patterns: frozenset[bytes] = frozenset()
        self._compiled: re.Pattern[bytes] | None = None
        self._by_first: dict[int, list[bytes]] = {}
        self._longest = 0

    def add(self, secret: str) -> None:
        """Register ``secret``.

        Raises:
            SecretTooShortError: if it is shorter than four characters.
            UnicodeEncodeError: if it holds half a character.
        """
        self.told += 1
        if len(secret.strip()) < SHORTEST_SECRET:
            raise SecretTooShortError
        patterns = self._patterns | encodings(secret)
        if patterns == self._patterns:
            return
        self._patterns = patterns
        self._longest = max(map(len, patterns))
        by_first: dict[int, list[bytes]] = {}
        for pattern in sorted(patterns, key=len, reverse=True):
            by_first.setdefault(pattern[0], []).append(pattern)
        self._by_first = by_first
        self._compiled = None

    def mask(self, text: str) -> str:
        """Return ``text`` with every secret in it replaced."""
        if self._search is None:
            return text
        return self._search.sub(MASK, text.encode(errors="replace")).decode()

    def mask_json(self, value: object) -> object:
        """Return a JSON value with every secret in its texts, keys and numbers replaced."""
        if self._search is None:
            return value
        match value:
            case str():
                return self.mask(value)
            case dict():
                return {self.mask(str(key)): self.mask_json(item) for key, item in value.items()}
            case list():
                return [self.mask_json(item) for item in value]
            case bool() | None:
                return value
            case _:
                shown = str(value)
                return value if self.mask(shown) == shown else MASK.decode()

    def mask_stream(self, data: bytes) -> tuple[bytes, bytes]:
        """Return (masked, held): what is certain in ``data``, and the tail that may be the beginning of a secret.

        Whatever follows goes behind ``held`` and comes in again. The result does not depend on where the data was cut.
        """
        if self._search is None:
            return data, b""
        done: list[bytes] = []
        position = 0
        hold = self._hold_from(data, 0)
        for found in self._search.finditer(data):
            if found.start() >= hold:
                break
            done += (data[position : found.start()], MASK)
            position = found.end()
            if position > hold:
                hold = self._hold_from(data, position)
        if not done:
            return data[:hold], data[hold:]
        done.append(data[position:hold])
        return b"".join(done), data[hold:]

    def mask_all(self, data: bytes) -> bytes:
        """Return ``data`` masked, with nothing held back: no more will come."""
        return data if not data or self._search is None else self._search.sub(MASK, data)

    @property
    def _search(self) -> re.Pattern[bytes] | None:
        """What finds them all; made when there is something to search, which many a task never says."""
        if self._compiled is None and self._patterns:
            # One branch per first byte: of the many patterns only a few are tried at any position. Longest first in
            # each, so that a longer form is not cut short by one that begins it.
            branches = (b"|".join(map(re.escape, group)) for group in self._by_first.values())
            self._compiled = re.compile(b"|".join(b"(?:" + branch + b")" for branch in branches))
        return self._compiled

    def _hold_from(self, data: bytes, start: int) -> int:
        """Return where the longest tail of ``data`` begins that is a proper beginning of some pattern."""
        end = len(data)
        for position in range(max(start, end - self._longest + 1), end):
            for pattern in self._by_first.get(data[position], ()):
                if len(pattern) <= end - position:
                    break  # the rest of the group is shorter still
                if pattern.startswith(data[position:]):
                    return position
        return end


class MaskedStream:
    """One stream of bytes on its way through the mask."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what may be shown now."""
        shown, self._held = self._secrets.mask_stream(self._held + data if self._held else data)
        return shown

    def finish(self) -> bytes:
        """Return the rest: the stream has ended."""
        held, self._held = self._held, b""
        return self._secrets.mask_all(held)
