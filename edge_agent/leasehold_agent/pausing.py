"""A pause by the site's operator: on disk, so that it survives a restart of the agent, and over by itself in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from leasehold_agent.attempts.roster import Roster
from leasehold_agent.durable import sync_directory, write_durably
from leasehold_agent.health.reasons import Name

_FILE = "pause.json"
logger = logging.getLogger(__name__)


class Pause(BaseModel):
    """``<state>/pause.json``."""

    model_config = ConfigDict(frozen=True)

    since: float
    until: float | None = None
    """Seconds since 1970; none: until ``edge-agent resume``."""
    note: str = ""

    def words(self) -> str:
        """Return the reason as it is shown."""
        note = f": {self.note}" if self.note else ""
        until = f", until {_instant(self.until)}" if self.until is not None else "; edge-agent resume ends it"
        return f"paused by this site's operator since {_instant(self.since)}{note}{until}"


class LocalPause:
    """The operator's pause."""

    def __init__(self, state_dir: Path, roster: Roster, clock: Callable[[], float] = time.time) -> None:
        self._path = state_dir / _FILE
        self._roster = roster
        self._clock = clock
        self._pause: Pause | None = None

    def recall(self) -> None:
        """Go on with a pause that an earlier agent was told."""
        try:
            self._pause = Pause.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValidationError) as error:
            # Somebody wanted a pause here: to go on working would be the wrong guess.
            self._pause = Pause(since=self._clock(), note=f"{self._path} can't be read ({type(error).__name__})")
        self.apply()

    def begin(self, note: str, for_s: float | None) -> str:
        """Take no new leases from now on; return the reason.

        Raises:
            OSError: it holds, but a restart would forget it: the disk did not take the record.
        """
        now = self._clock()
        self._pause = Pause(since=now, until=None if for_s is None else now + for_s, note=note)
        self._roster.pause(Name.OPERATOR, self._pause.words())
        write_durably(self._path, self._pause.model_dump_json().encode() + b"\n")
        return self._pause.words()

    def end(self) -> bool:
        """Take leases again; returns whether there was a pause.

        Raises:
            OSError: it is over, but a restart would bring it back.
        """
        was_paused, self._pause = self._pause is not None, None
        self._roster.resume(Name.OPERATOR)
        self._forget()
        return was_paused

    def apply(self) -> None:
        """Hold the pause, or end it when its time is over."""
        if self._pause is None:
            return
        if self._pause.until is None or self._clock() < self._pause.until:
            self._roster.pause(Name.OPERATOR, self._pause.words())
            return
        logger.info("the pause is over")
        try:
            self.end()
        except OSError as error:
            logger.warning("the record of the pause stays", extra={"error": str(error)})

    def _forget(self) -> None:
        if self._path.exists():
            self._path.unlink()
            sync_directory(self._path.parent)


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
