"""How one task of a run in this process stands between two of its attempts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from leasehold.runtime.in_memory.kept import Kept
from leasehold.testing.clock import Clock


@dataclass(slots=True, kw_only=True)
class Standing:
    """What an attempt finds of those before it.

    Attributes:
        clock: The run's.
        kept: What the task keeps.
        attempts: How many there were.
        failed: How many of them were followed by another try.
        rescheduled: How often it asked to be started again later.
        resumed: What the next attempt goes on from: ``reschedule``, ``defer``, ``input``; None: from nothing.
        waits: What came of its waits, by their keys.
        place: Where the last attempt worked.
    """

    clock: Clock
    kept: Kept = field(init=False)
    attempts: int = 0
    failed: int = 0
    rescheduled: int = 0
    resumed: str | None = None
    waits: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    place: Path | None = None
    _began: tuple[datetime, float] | None = None

    def __post_init__(self) -> None:
        """Let what is kept expire by the run's clock."""
        self.kept = Kept(now=self.clock.seconds)

    def earlier(self) -> dict[str, object]:
        """Begin an attempt; return what its ``TaskContext`` says of those before it."""
        self.attempts += 1
        first_started_at, running_for_s = None, 0.0
        if self._began is None:
            self._began = self.clock.now(), self.clock.seconds()
        else:
            first_started_at = self._began[0].isoformat()
            running_for_s = round(self.clock.seconds() - self._began[1], 6)
        return {
            "rescheduled": self.rescheduled,
            "resumed": self.resumed,
            "first_started_at": first_started_at,
            "running_for_s": running_for_s,
            "waits": dict(self.waits),
        }

    def fresh_place(self, folder: Path) -> Path:
        """Return an empty directory for an attempt: below ``folder``, or the last one's if it left nothing there."""
        if self.place is None or any(self.place.iterdir()):
            self.place = folder / f"{self.attempts}"
            self.place.mkdir(parents=True)
        return self.place

    def forget_in_vain(self) -> None:
        """Wait anew, at the next try, for what timed out or never could come."""
        self.resumed = None
        self.waits = {key: wait for key, wait in self.waits.items() if wait["verdict"] == "came"}
