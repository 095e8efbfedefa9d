"""What the doctors find (``edge-agent doctor``, ``leasehold-api doctor``), for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Work goes on, worse than it could; or it will stop some day."""
    PROBLEM = "problem"
    """The program can't do its work like this."""


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
    """Return a finding that keeps the program from working."""
    return Finding(check=check, verdict=Verdict.PROBLEM, text=text, cure=cure, took_ms=took_ms)


def in_lines(finding: Finding) -> str:
    """Return a finding for a person: one line, and its cure below it."""
    took = "" if finding.took_ms is None else f" ({finding.took_ms:.0f} ms)"
    text = f"{finding.verdict:<8} {finding.check:<12} {finding.text}{took}\n"
    return text + (f"{'':<22}{finding.cure}\n" if finding.cure else "")


def document(findings: Iterable[Finding]) -> str:
    """Return all findings as JSON for programs; what is not known is left out."""
    described = [{name: value for name, value in asdict(one).items() if value is not None} for one in findings]
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def summary(findings: Sequence[Finding]) -> str:
    """Return how many problems and warnings there are."""
    problems = count_of(Verdict.PROBLEM, findings)
    warnings = count_of(Verdict.WARNING, findings)
    return f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}."


def count_of(verdict: Verdict, findings: Iterable[Finding]) -> int:
    """Return how many findings are as bad as that."""
    return sum(one.verdict is verdict for one in findings)


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
