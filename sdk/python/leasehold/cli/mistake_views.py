"""A mistake in an author's file on the screen: where it is, what it is, the lines around it, and what to try."""

from __future__ import annotations

from pathlib import Path

from rich.console import RenderableType
from rich.syntax import Syntax
from rich.text import Text

from leasehold.authoring.problems import Problem
from leasehold.cli import screen
from leasehold.cli.dag_files import shown_path

LINES_AROUND = 2
"""How many lines of the file are shown above a mistake."""


def show_mistake(mistake: Problem, *, stderr: bool) -> None:
    """Print where a mistake is, what it is, the lines around it, and what to try."""
    console = screen.screen(stderr=stderr)
    place = shown_path(mistake.file) + (f":{mistake.line}" if mistake.line else "")
    console.print(Text.assemble((place, "bold"), ": ", (screen.harmless_lines(mistake.message), "red")), soft_wrap=True)
    if (excerpt := _excerpt(mistake)) is not None:
        console.print(excerpt)
    if mistake.cure:
        console.print(Text.assemble(("  try: ", "bold"), screen.harmless_lines(mistake.cure)), soft_wrap=True)


def _excerpt(mistake: Problem) -> RenderableType | None:
    """Return the lines around a mistake, its own marked."""
    try:
        lines = Path(mistake.file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    if not 1 <= mistake.line <= len(lines):
        return None
    return Syntax(
        "\n".join(lines),
        "python",
        theme="ansi_dark",
        background_color="default",
        line_numbers=True,
        line_range=(max(mistake.line - LINES_AROUND, 1), mistake.line),
        highlight_lines={mistake.line},
    )
