"""A mistake in an author's file on the screen: where it is, what it is, the lines around it, and what to try."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text

from leasehold.authoring.problems import Problem
from leasehold.cli import screen
from leasehold.cli.dag_files import shown_path

LINES_AROUND = 2
"""How many lines of the file are shown above a mistake."""


def show_mistake(mistake: Problem, *, stderr: bool) -> None:
    """Print where a mistake is, what it is, the lines around it with a mark below it, and what to try."""
    console = screen.screen(stderr=stderr)
    place = ":".join([shown_path(mistake.file), *(str(part) for part in (mistake.line, mistake.column) if part)])
    console.print(Text.assemble((place, "bold"), ": ", (screen.harmless_lines(mistake.message), "red")), soft_wrap=True)
    for line in _excerpt(mistake):
        console.print(line, no_wrap=True, overflow="ellipsis", crop=False)
    if mistake.cure:
        console.print(Text.assemble(("  try: ", "bold"), screen.harmless_lines(mistake.cure)), soft_wrap=True)


def _excerpt(mistake: Problem) -> list[Text]:
    """Return the lines around a mistake, its own marked, with carets below the part that is meant."""
    from rich.syntax import Syntax  # it takes longer to import than most files to check

    try:
        lines = Path(mistake.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    if not 1 <= mistake.line <= len(lines):
        return []
    first = max(mistake.line - LINES_AROUND, 1)
    source = [screen.harmless_lines(line).expandtabs(1) for line in lines[first - 1 : mistake.line]]
    syntax = Syntax("", "python", theme="ansi_dark", background_color="default")
    digits = len(str(mistake.line))
    shown: list[Text] = []
    for number, line in enumerate(source, start=first):
        is_meant = number == mistake.line
        code = syntax.highlight(line)
        code.rstrip()
        mark = Text(f"{'❱' if is_meant else ' '} {number:>{digits}} ", "bold red" if is_meant else "dim")
        shown.append(mark + code)
    if mistake.column and (width := min(mistake.end_column, len(source[-1]) + 1) - mistake.column) > 0:
        shown.append(Text(" " * (digits + 3 + mistake.column - 1) + "^" * width, "bold red"))
    return shown
