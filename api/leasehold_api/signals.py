"""What one part of the API tells the others after a commit: short, idempotent, and harmless when lost or doubled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What changed."""

    QUEUED = "queued"  # key: placement id; one signal per task instance that may be leased
    OFFERS = "offers"  # key: site id; what the site offers, or what is asked of it, changed
    AGENT = "agent"  # key: agent id; there is something to tell this agent
    RUN = "run"  # key: run id
    LOG = "log"  # key: attempt id
    STREAM = "stream"  # key: "agent stream", opened; "agent stream number granted until", a grant
    HOOK = "hook"  # key: ""; a webhook waits to be sent
    TIMER = "timer"  # key: when something is due (Unix time) that may come before what is known; "" for "look now"
    AUDIT = "audit"  # key: ""; the audit trail has rows that are not in its chain yet; for this process only


@dataclass(frozen=True, slots=True)
class Signal:
    """One change."""

    topic: Topic
    key: str


class Signals:
    """Hands signals to whoever listens, in the event loop's thread."""

    def __init__(self) -> None:
        self._listeners: dict[Topic, list[Callable[[str], None]]] = defaultdict(list)

    def listen(self, topic: Topic, listener: Callable[[str], None]) -> None:
        """Call ``listener`` with the key of every signal on ``topic``. It must be quick and must not raise."""
        self._listeners[topic].append(listener)

    def publish(self, signals: list[Signal]) -> None:
        """Tell everyone who listens."""
        for signal in signals:
            for listener in self._listeners[signal.topic]:
                listener(signal.key)
