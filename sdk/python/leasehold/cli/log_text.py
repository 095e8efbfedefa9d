"""How a log line looks: on a terminal in colour, elsewhere as plain text, for programs as JSON."""

from __future__ import annotations

import json
from datetime import datetime

from rich.text import Text

from leasehold.cli.following import Origin
from leasehold.cli.log_lines import LogLine, harmless, show_fields
from leasehold.cli.screen import task_colour

SOURCE_STYLES = {
    "debug": "dim",
    "warning": "yellow",
    "error": "red",
    "critical": "bold red",
    "stderr": "red",
    "agent": "dim italic",
}
SHOWN_SOURCES = {"debug", "warning", "error", "critical"}
"""Sources whose name is printed: the usual ones would only be noise."""


def coloured(origin: Origin, line: LogLine, *, width: int) -> Text:
    """Return a line for a terminal: time, task, bar, text, fields. ``width``: columns for the task's name."""
    style = SOURCE_STYLES.get(line.source, "")
    parts = Text(no_wrap=False, overflow="fold")
    parts.append(clock(line.at), style="dim")
    parts.append(f" {_label(origin):<{width}} │ ", style=task_colour(origin.task))
    if line.source in SHOWN_SOURCES:
        parts.append(f"{line.source}: ", style=style)
    parts.append(harmless(line.text), style=style)
    if line.fields:
        parts.append(f" {harmless(show_fields(line.fields))}", style="dim")
    return parts


def plain(origin: Origin, line: LogLine) -> str:
    """Return the same line for a pipe or a file."""
    level = f"{line.source}: " if line.source in SHOWN_SOURCES else ""
    fields = f" {show_fields(line.fields)}" if line.fields else ""
    return f"{clock(line.at)} {_label(origin)} | {level}{line.text}{fields}"


def as_json(origin: Origin, line: LogLine) -> str:
    """Return the same line as one JSON object."""
    return json.dumps(
        {
            "task": origin.task,
            "map_index": origin.map_index,
            "attempt": origin.attempt,
            "try_number": origin.try_number,
            "site": origin.site,
            "at": None if line.at is None else line.at.isoformat(),
            "source": line.source,
            "text": line.text,
            "fields": line.fields,
        },
        ensure_ascii=False,
    )


def clock(at: datetime | None) -> str:
    """Return the time of day here, to the millisecond."""
    return "            " if at is None else at.astimezone().strftime("%H:%M:%S.%f")[:-3]


def _label(origin: Origin) -> str:
    return origin.label if origin.try_number <= 1 else f"{origin.label} (try {origin.try_number})"
