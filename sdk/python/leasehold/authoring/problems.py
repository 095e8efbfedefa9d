"""What is wrong with a DAG file, for a person: where, what, and how to put it right."""

from __future__ import annotations

from dataclasses import dataclass

from leasehold.authoring.mistakes import AuthoringError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a DAG file.

    Attributes:
        file: The author's file.
        line: The line in it, from 1; 0 when it is about the whole file.
        message: What is wrong.
        cure: What to do about it; may be empty.
    """

    file: str
    line: int
    message: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f"\n  {self.cure}" if self.cure else ""
        return f"{self.file}:{self.line}: {self.message}{cure}"


def as_problem(mistake: AuthoringError) -> Problem:
    """Return the problem that a mistake is."""
    return Problem(file=mistake.file, line=mistake.line, message=mistake.message, cure=mistake.cure)
