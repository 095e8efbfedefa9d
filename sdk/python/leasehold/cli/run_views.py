"""Showing a run while it goes on: live on a terminal, line by line elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from leasehold.cli import log_text
from leasehold.cli.following import Origin, RunView, task_label
from leasehold.cli.log_lines import LogLine, harmless
from leasehold.cli.mapped_tasks import gathered
from leasehold.cli.run_tables import liveliest, run_line, task_table
from leasehold.cli.screen import screen, show_value
from leasehold_protocol.v1.runs import RunDetail, RunState, TaskInstance, TaskState

ROWS_FOR_THE_REST = 10
"""Lines of the terminal that the table leaves free: log lines, heading, bar."""

Clock = Callable[[], datetime]


class OpenView(RunView, Protocol):
    """A view that needs the terminal for a while: a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def run_view(*, now: Clock, stderr: bool = False) -> OpenView:
    """Return the view that fits where the output goes. ``stderr`` keeps standard output free for the result."""
    console = screen(stderr=stderr)
    return LiveView(console, now=now) if console.is_terminal else PlainView(sys.stderr if stderr else sys.stdout)


class LiveView:
    """A table of tasks and a progress bar that stay at the bottom, while log lines pass above."""

    def __init__(self, console: Console, *, now: Clock) -> None:
        self._console = console
        self._now = now
        self._run: RunDetail | None = None
        self._width = 0
        self._live = Live(
            console=console, get_renderable=self._picture, refresh_per_second=8, transient=True, redirect_stderr=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def run_changed(self, run: RunDetail) -> None:
        """Draw the new picture at once."""
        self._run = run
        self._width = max((len(task_label(task.task, task.map_index)) for task in run.tasks), default=0)
        self._live.refresh()

    def log_line(self, origin: Origin, line: LogLine) -> None:
        """Print the line above the table."""
        self._console.print(log_text.coloured(origin, line, width=self._width))

    def notice(self, text: str) -> None:
        """Print the notice above the table."""
        self._console.print(Text(harmless(text), style="yellow"))

    def _picture(self) -> RenderableType:
        if (run := self._run) is None:
            return Text("…")
        now = self._now()
        rows = gathered(run.tasks)
        shown = liveliest(rows, room=max(self._console.height - ROWS_FOR_THE_REST, 3))
        parts: list[RenderableType] = [task_table(shown, now=now)]
        if hidden := len(rows) - len(shown):
            parts.append(Text(f"… and {hidden} more tasks", style="dim"))
        return Group(*parts, _progress(run, now))


def _progress(run: RunDetail, now: datetime) -> Table:
    done = sum(task.state.is_final for task in run.tasks)
    bar = ProgressBar(total=max(len(run.tasks), 1), completed=done, width=30)
    line = Table.grid(padding=(0, 2))
    line.add_row(bar, run_line(run, now=now))
    return line


class PlainView:
    """One line for each thing that happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._seen: dict[str, tuple[TaskState, int]] = {}
        self._state: RunState | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def run_changed(self, run: RunDetail) -> None:
        """Say which tasks are in another state than before."""
        for task in run.tasks:
            seen = (task.state, task.try_number)
            before = self._seen.get(task.task_instance, (TaskState.NONE, 0))
            self._seen[task.task_instance] = seen
            if seen != before:
                self._line(_step(task))
        if run.state is not self._state:
            self._state = run.state
            self._line(f"run {run.run} of {run.dag}: {run.state}")

    def log_line(self, origin: Origin, line: LogLine) -> None:
        """Print the line."""
        self._line(log_text.plain(origin, line))

    def notice(self, text: str) -> None:
        """Print the notice."""
        self._line(f"note: {text}")

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()


def _step(task: TaskInstance) -> str:
    place = f" at {task.site}" if task.site and task.state is TaskState.RUNNING else ""
    attempt = f" (try {task.try_number})" if task.try_number > 1 and task.state is TaskState.RUNNING else ""
    reason = f": {show_value(task.reason)}" if task.reason and task.state is not TaskState.RUNNING else ""
    return f"{task_label(task.task, task.map_index)}: {task.state.replace('_', ' ')}{place}{attempt}{reason}"
