"""Named reasons: why no new work is taken, or what somebody should know of. Each is cleared by whoever holds it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum


class Name(StrEnum):
    """Every reason there is; docs/reference/agent-health.md says what each means and its cure."""

    OPERATOR = "operator"
    API_PAUSE = "api_pause"
    API_DRAIN = "api_drain"
    DRAINING = "draining"
    ONCE = "once"
    BACKLOG = "backlog"
    DISK = "disk"
    BUDGET = "budget"
    OWN_FILES = "own_files"
    CLOCK = "clock"
    LINK = "link"
    STREAM = "stream"
    HOSTS = "hosts"
    KEY_STORE = "key_store"
    POLICY = "policy"
    POLICY_NEWS = "policy_news"
    HOURS = "hours"
    SPOOL = "spool"
    UPDATE = "update"


ORDERED = frozenset(
    {
        Name.OPERATOR,
        Name.API_PAUSE,
        Name.API_DRAIN,
        Name.DRAINING,
        Name.ONCE,
        Name.BACKLOG,
        Name.POLICY_NEWS,
        Name.HOURS,
    }
)
"""With these an agent is well: it was told so, or has to do something else first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One reason that holds."""

    name: Name
    text: str
    since: float
    """Seconds since 1970, by this machine's clock."""
    blocks: bool
    """While it holds no new leases are taken."""


class Reasons:
    """The reasons that hold at this moment, in the order in which they came."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._held: dict[Name, Reason] = {}

    @property
    def all(self) -> list[Reason]:
        """Every reason that holds."""
        return list(self._held.values())

    @property
    def blocking(self) -> list[str]:
        """The texts of those for which no new leases are taken."""
        return [reason.text for reason in self._held.values() if reason.blocks]

    def hold(self, name: Name, text: str, *, blocks: bool = True) -> bool:
        """Hold a reason; returns whether anything changed. Its beginning stays when only the text is another."""
        known = self._held.get(name)
        if known is None:
            self._held[name] = Reason(name=name, text=text, since=self._clock(), blocks=blocks)
        else:
            self._held[name] = replace(known, text=text, blocks=blocks)
        return self._held[name] != known

    def clear(self, name: Name) -> bool:
        """The reason holds no more; returns whether it did."""
        return self._held.pop(name, None) is not None
