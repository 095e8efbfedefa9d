"""What the terminal gets: tables, states in colour, JSON for programs, errors with cause and cure."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from zlib import crc32

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from leasehold.cli.errors import CliError
from leasehold.cli.log_lines import harmless
from leasehold.cli.tagged_values import readable
from leasehold_protocol.v1.message import Json, Message

WIDTH_OF_A_PIPE = 200
"""Columns for tables that go into a pipe or a file: wide enough that nothing is folded."""

STATE_STYLES = {
    "success": "green",
    "connected": "green",
    "failed": "bold red",
    "locked": "bold red",
    "upstream_failed": "red",
    "cancelled": "magenta",
    "running": "bold cyan",
    "queued": "yellow",
    "up_for_retry": "yellow",
    "up_for_reschedule": "yellow",
    "deferred": "yellow",
    "open": "yellow",
    "answered": "green",
    "timed_out": "dim",
    "closed": "dim",
    "disconnected": "yellow",
    "skipped": "dim",
    "none": "dim",
    "never_seen": "dim",
}
TASK_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")


def screen(*, stderr: bool = False) -> Console:
    """Return the console for results, or for what is said beside them. Colour appears on a terminal only."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_OF_A_PIPE
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)


def say(text: str | Text, *, stderr: bool = False) -> None:
    """Print one line for a person; text is taken literally, never as markup."""
    console = screen(stderr=stderr)
    console.print(text if isinstance(text, Text) else Text(text), soft_wrap=True)


def show(renderable: RenderableType) -> None:
    """Print a table or another renderable among the results."""
    screen().print(renderable)


def now() -> datetime:
    """Return the time that ages and durations are shown against."""
    return datetime.now(UTC)


def state(name: str) -> Text:
    """Return a state in its colour."""
    return Text(name, style=STATE_STYLES.get(name, ""))


def task_colour(task: str) -> str:
    """Return the colour of a task: the same in every line, table and session."""
    return TASK_COLOURS[crc32(task.encode()) % len(TASK_COLOURS)]


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, empty: str) -> None:
    """Print rows under their columns, or say that there are none and how to get some."""
    rows = list(rows)
    if not rows:
        say(empty, stderr=True)
        return
    show(make_table(columns, rows))


def make_table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Return a table in the house's look; text in it is taken literally."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(harmless(cell)) for cell in row))
    return made


def facts(pairs: Iterable[tuple[str, str | Text]]) -> None:
    """Print one object as name and value, leaving out what has no value."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value:
            grid.add_row(name, value if isinstance(value, Text) else Text(harmless(value)))
    show(grid)


def write_json(value: Message | Sequence[Message] | Json) -> None:
    """Print a value as JSON: messages as they are on the wire."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")


def _plain(value: Json) -> Json:
    if isinstance(value, Message):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def show_value(value: Json, *, longest: int = 80) -> str:
    """Return a JSON value in one line, cut to ``longest`` characters."""
    value = readable(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(harmless(text.replace("\n", " ")).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def tell_error(error: CliError) -> None:
    """Print cause and cure."""
    console = screen(stderr=True)
    console.print(Text.assemble(("error: ", "bold red"), harmless_lines(error.cause)), soft_wrap=True)
    if error.cure:
        console.print(Text.assemble(("  try: ", "bold"), harmless_lines(error.cure)), soft_wrap=True)


def harmless_lines(text: str) -> str:
    """Return text of several lines that can do nothing to the terminal."""
    return "\n".join(harmless(line) for line in text.split("\n"))
