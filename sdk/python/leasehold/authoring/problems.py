"""What is wrong with a DAG file, for a person: where, what, and how to put it right."""

from __future__ import annotations

import linecache
import re
from dataclasses import dataclass

from leasehold.authoring.mistakes import AuthoringError, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a DAG file.

    Attributes:
        file: The author's file.
        line: The line in it, from 1; 0 when it is about the whole file.
        message: What is wrong.
        cure: What to do about it; may be empty.
        column: Where in the line it begins, from 1; 0 when that is not known.
        end_column: Where in the line it ends, the column after it.
    """

    file: str
    line: int
    message: str
    cure: str = ""
    column: int = 0
    end_column: int = 0

    def __str__(self) -> str:
        cure = f"\n  {self.cure}" if self.cure else ""
        column = f":{self.column}" if self.column else ""
        return f"{self.file}:{self.line}{column}: {self.message}{cure}"


def as_problem(mistake: AuthoringError) -> Problem:
    """Return the problem that a mistake is, with its place as exactly as it is known."""
    line, column, end = _place(mistake)
    return Problem(
        file=mistake.file, line=line, message=mistake.message, cure=mistake.cure, column=column, end_column=end
    )


def _place(mistake: AuthoringError) -> tuple[int, int, int]:
    """Return (line, column, end), the columns in characters from 1 or 0."""
    span = mistake.place.span() if isinstance(mistake.place, Place) else None
    if span is None:
        return mistake.line, 0, 0
    first, begin, last, end = span
    lines = [linecache.getline(mistake.file, number).rstrip("\n") for number in range(first, last + 1)]
    if mistake.word is not None:
        for number, text in enumerate(lines, start=first):
            # The argument itself, not a word in a text before it: it stands after "(", "," or at the line's beginning.
            if found := re.search(rf"(?:^|[(,])\s*({re.escape(mistake.word)})\s*=", text):
                return number, found.start(1) + 1, found.end(1) + 1
    raw = lines[0].encode()
    stop = end if last == first else len(raw)
    return first, len(raw[:begin].decode(errors="replace")) + 1, len(raw[:stop].decode(errors="replace")) + 1
