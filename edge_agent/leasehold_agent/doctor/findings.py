"""What the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Work goes on, worse than it could; or it will stop some day."""
    PROBLEM = "problem"
    """The agent can't do its work like this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding; all but good ones have a cure."""

    check: str
    verdict: Verdict
    text: str
    cure: str = ""
    took_ms: float | None = None


def fine(check: str, text: str, *, took_ms: float | None = None) -> Finding:
    """Return a finding that all is well."""
    return Finding(check=check, verdict=Verdict.OK, text=text, took_ms=took_ms)


def warning(check: str, text: str, cure: str, *, took_ms: float | None = None) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(check=check, verdict=Verdict.WARNING, text=text, cure=cure, took_ms=took_ms)


def problem(check: str, text: str, cure: str, *, took_ms: float | None = None) -> Finding:
    """Return a finding that keeps the agent from working."""
    return Finding(check=check, verdict=Verdict.PROBLEM, text=text, cure=cure, took_ms=took_ms)
