"""What a task keeps across its tries, in memory, and the calls that reach it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from leasehold.runtime.in_memory.calls import Answer, Calls, Query
from leasehold.runtime.rules import checks, kept_state


class Kept:
    """Encoded values by key, each until its time is over."""

    def __init__(
        self, values: Mapping[str, object] | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Make one.

        Args:
            values: What an earlier try kept.
            now: Seconds on the clock by which values expire.
        """
        self._now = now
        self._kept: dict[str, tuple[object, float | None]] = {
            key: (value, None) for key, value in (values or {}).items()
        }

    @property
    def values(self) -> dict[str, object]:
        """What there is, by key, in order."""
        now, kept = self._now(), {key: self._kept[key] for key in sorted(self._kept)}
        return {key: value for key, (value, ends) in kept.items() if ends is None or now < ends}

    def set(self, key: str, value: object, *, expires_after_s: float | None) -> None:
        """Keep a value."""
        self._kept[key] = (value, None if expires_after_s is None else self._now() + expires_after_s)

    def remove(self, key: str) -> None:
        """Let go of a key."""
        self._kept.pop(key, None)

    def clear(self) -> None:
        """Let go of everything."""
        self._kept.clear()


@dataclass(frozen=True, slots=True)
class StateCalls:
    """The room of ``/v1/state``."""

    task: str
    kept: Kept

    def calls(self) -> Calls:
        """Return the paths of this room."""
        return {
            "/v1/state": {"GET": self._keys, "DELETE": self._clear},
            "/v1/state/": {"GET": self._read, "PUT": self._write, "DELETE": self._delete},
        }

    def _read(self, name: str, _: Query, __: bytes) -> Answer:
        key, values = checks.key(name), self.kept.values
        if key not in values:
            raise kept_state.nothing_kept(self.task, key)
        return {"key": key, "value": values[key]}

    def _write(self, name: str, _: Query, body: bytes) -> Answer:
        key = checks.key(name)
        text, expires_after_s = kept_state.kept(key, body)
        values = self.kept.values
        if key not in values and len(values) >= kept_state.MOST_KEYS:
            raise kept_state.one_too_many(key)
        self.kept.set(key, json.loads(text), expires_after_s=expires_after_s)
        return None

    def _delete(self, name: str, _: Query, __: bytes) -> Answer:
        self.kept.remove(checks.key(name))
        return None

    def _clear(self, _: str, __: Query, ___: bytes) -> Answer:
        self.kept.clear()
        return None

    def _keys(self, _: str, query: Query, __: bytes) -> Answer:
        prefix = kept_state.prefix(query.get("prefix", ""))
        return {"keys": [key for key in self.kept.values if key.startswith(prefix)]}
