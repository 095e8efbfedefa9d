"""Which log lines a person wants to see: by level, by a pattern, from a time on. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from leasehold.cli.errors import WrongInputError
from leasehold.cli.log_lines import LogLine, show_fields
from leasehold.durations import seconds


class Level(StrEnum):
    """The levels of log lines, the least important first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


_LEVELS = list(Level)
_RANKS = {level.value: rank for rank, level in enumerate(Level)} | {
    "stdout": _LEVELS.index(Level.INFO),
    "stderr": _LEVELS.index(Level.WARNING),
    "agent": _LEVELS.index(Level.WARNING),
}
"""What is printed has no level: a program's errors are warnings, and so is what the agent has to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """What a line must have to be shown; a part that is None lets every line through."""

    level: Level | None = None
    pattern: re.Pattern[str] | None = None
    since: datetime | None = None

    def shows(self, line: LogLine) -> bool:
        """Return whether the line is wanted. One that names no time is never too old."""
        if self.level is not None and _RANKS.get(line.source, _RANKS["info"]) < _RANKS[self.level]:
            return False
        if self.since is not None and line.at is not None and line.at < self.since:
            return False
        return self.pattern is None or self._matches(line, self.pattern)

    @staticmethod
    def _matches(line: LogLine, pattern: re.Pattern[str]) -> bool:
        return bool(pattern.search(f"{line.text} {show_fields(line.fields)}" if line.fields else line.text))


def pattern_of(text: str) -> re.Pattern[str]:
    """Return a regular expression that a person typed.

    Raises:
        WrongInputError: if it is none.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise WrongInputError(
            f"--grep {text!r} is no regular expression: {error}.", "A sign that is meant as itself has \\ before it."
        ) from error


def time_of(text: str, *, now: datetime, option: str = "--since") -> datetime:
    """Return the time that a person typed: how long ago (``10m``), or a date, with or without a time of day.

    Raises:
        WrongInputError: if it is neither.
    """
    try:
        return now - timedelta(seconds=seconds(text))
    except (ValueError, OverflowError):
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        cure = "Say how long ago (90s, 10m, 2h, 1d), or when (2026-11-02, 2026-11-02T14:30)."
        raise WrongInputError(f"{option} {text!r} is no time.", cure) from error
    return at if at.tzinfo is not None else at.astimezone()
