"""``leasehold logs``: what the tasks of a run wrote, now or as it comes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from leasehold.cli import log_text, screen
from leasehold.cli.api import Api
from leasehold.cli.errors import NotFoundError
from leasehold.cli.following import Origin, follow_run, log_lines, origins, task_label
from leasehold.cli.log_lines import LogLine, harmless
from leasehold.cli.options import TeamOption
from leasehold.cli.patience import Patience
from leasehold.cli.session import ask
from leasehold_protocol.v1.runs import RunDetail, TaskInstance


def logs(
    run: Annotated[str, typer.Argument(help="The run's id, as listed.", metavar="RUN")],
    task: Annotated[
        str | None, typer.Argument(help="Only this task (of an expanded one: NAME[INDEX]).", metavar="[TASK]")
    ] = None,
    *,
    map_index: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Only this instance of mapped tasks.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    team: TeamOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for programs.")] = False,
) -> None:
    """Show what the tasks of a run wrote, each line with its task. Every try is shown, oldest first.

    With -f lines appear as they are written, also of tries and tasks that begin later. A lost connection is waited
    for, and reading goes on where it stopped.
    """

    def wanted(found: TaskInstance) -> bool:
        return (task is None or _is(task, found)) and map_index in (None, found.map_index)

    async def work(api: Api) -> None:
        first = await api.get(api.of_team("runs", run), RunDetail)
        view = LogView(first, json=json)
        if task is not None and not any(_is(task, found) for found in first.tasks):
            names = ", ".join(dict.fromkeys(found.task for found in first.tasks))
            raise NotFoundError(f"Run {run} has no task {task}.", f"It has: {names}")
        if map_index is not None and not any(wanted(found) for found in first.tasks):
            raise NotFoundError(
                f"Run {run} has no instance {map_index}{'' if task is None else f' of {task}'}.",
                f"See which there are: leasehold runs show {run} --mapped",
            )
        if follow:
            await follow_run(api, run, view, wanted=wanted)
            return
        patience = Patience(notice=view.notice, most_failures=3)
        for origin in origins(first, wanted):
            async for line in log_lines(api, origin, patience, wait_s=0):
                view.log_line(origin, line)

    ask(work, team=team)


def _is(wanted: str, task: TaskInstance) -> bool:
    return wanted in {task.task, task_label(task.task, task.map_index)}


class LogView:
    """Prints lines and nothing else; what is said about the following itself goes to standard error."""

    def __init__(self, run: RunDetail, *, json: bool) -> None:
        self._json = json
        self._console = screen.screen()
        self._width = max((len(task_label(task.task, task.map_index)) for task in run.tasks), default=0)

    def run_changed(self, run: RunDetail) -> None:
        """Make room for the longest name."""
        self._width = max((len(task_label(task.task, task.map_index)) for task in run.tasks), default=0)

    def log_line(self, origin: Origin, line: LogLine) -> None:
        """Print the line in the form that fits where it goes."""
        if self._json:
            sys.stdout.write(log_text.as_json(origin, line) + "\n")
        elif self._console.is_terminal:
            self._console.print(log_text.coloured(origin, line, width=self._width))
        else:
            sys.stdout.write(log_text.plain(origin, line) + "\n")

    def notice(self, text: str) -> None:
        """Say it beside the log."""
        screen.say(f"note: {harmless(text)}", stderr=True)
