"""``leasehold logs``: what the tasks of a run wrote, now or as it comes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from leasehold.cli import completing, log_text, screen
from leasehold.cli.api import Api
from leasehold.cli.errors import NotFoundError
from leasehold.cli.following import Origin, Tail, Wanted, follow_run, origins, task_label
from leasehold.cli.gone_parts import deleted_logs
from leasehold.cli.log_filter import Level, LogFilter, pattern_of, time_of
from leasehold.cli.log_lines import LogLine, harmless
from leasehold.cli.log_order import in_order
from leasehold.cli.options import TeamOption
from leasehold.cli.patience import Patience
from leasehold.cli.session import ask
from leasehold_protocol.v1.runs import RunDetail


def logs(
    run: Annotated[str, typer.Argument(help="The run's id, as listed.", metavar="RUN", autocompletion=completing.runs)],
    task: Annotated[
        str | None, typer.Argument(help="Only this task (of an expanded one: NAME[INDEX]).", metavar="[TASK]")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")] = False,
    tasks: Annotated[
        list[str] | None, typer.Option("--task", "-t", help="Only this task; repeat for more.", metavar="TASK")
    ] = None,
    map_index: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Only this instance of an expanded task.")
    ] = None,
    try_number: Annotated[int | None, typer.Option("--try", metavar="N", min=1, help="Only this try.")] = None,
    level: Annotated[
        Level | None,
        typer.Option(
            metavar="debug|info|warning|error|critical",
            help="Only lines of this level or above. What is printed counts as info, to standard error as warning.",
        ),
    ] = None,
    grep: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Only lines in which this regular expression is found.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only lines from then on: 10m (ago), or 2026-11-02T14:30.")
    ] = None,
    team: TeamOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for programs.")] = False,
) -> None:
    """Show what the tasks of a run wrote, in the order of time, each line with its task. Every try is shown.

    With -f lines appear as they are written, also of tries and tasks that begin later. A lost connection is waited
    for, and reading goes on where it stopped. Ctrl-C ends the showing, not the run.
    """
    kept = LogFilter(
        level=level,
        pattern=None if grep is None else pattern_of(grep),
        since=None if since is None else time_of(since, now=screen.now()),
    )
    names = [*(tasks or []), *([] if task is None else [task])]

    def wanted(origin: Origin) -> bool:
        return (
            (not names or origin.task in names or origin.label in names)
            and map_index in (None, origin.map_index)
            and try_number in (None, origin.try_number)
        )

    async def work(api: Api) -> None:
        first = await api.get(api.of_team("runs", run), RunDetail)
        _check_names(first, names)
        if map_index is not None and not any(found.map_index == map_index for found in first.tasks):
            raise NotFoundError(
                f"Run {run} has no instance {map_index}{f' of {names[0]}' if len(names) == 1 else ''}.",
                f"See which there are: leasehold runs show {run} --mapped",
            )
        await _show(api, first, LogView(first, kept, json=json), wanted, follow=follow)

    ask(work, team=team)


async def _show(api: Api, run: RunDetail, view: LogView, wanted: Wanted, *, follow: bool) -> None:
    """Show what there is, oldest first; then what comes, as it comes."""
    tails = [Tail(origin) for origin in origins(run, wanted)]
    if (gone := deleted_logs(run, {tail.origin.attempt for tail in tails})) is not None:
        view.notice(gone)
    patience = Patience(notice=view.notice, most_failures=3)
    async for origin, line in in_order(api, tails, patience, reading_on=follow):
        view.log_line(origin, line)
    if follow:
        await follow_run(api, run.run, view, wanted=wanted, begun=tails)


def _check_names(run: RunDetail, names: Sequence[str]) -> None:
    known = {name for task in run.tasks for name in (task.task, task_label(task.task, task.map_index))}
    for name in names:
        if name not in known:
            there = ", ".join(dict.fromkeys(task.task for task in run.tasks))
            raise NotFoundError(f"Run {run.run} has no task {name}.", f"It has: {there}")


class LogView:
    """Prints lines and nothing else; what is said about the following itself goes to standard error."""

    def __init__(self, run: RunDetail, kept: LogFilter, *, json: bool) -> None:
        self._json = json
        self._kept = kept
        self._console = screen.screen()
        self._width = _widest(run)

    def run_changed(self, run: RunDetail) -> None:
        """Make room for the longest name."""
        self._width = _widest(run)

    def log_line(self, origin: Origin, line: LogLine) -> None:
        """Print the line in the form that fits where it goes."""
        if not self._kept.shows(line):
            return
        if self._json:
            self._write(log_text.as_json(origin, line))
        elif self._console.is_terminal:
            self._console.print(log_text.coloured(origin, line, width=self._width))
        else:
            self._write(log_text.plain(origin, line))

    def _write(self, text: str) -> None:
        # At once: who reads at the other end of a pipe is following, too.
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def notice(self, text: str) -> None:
        """Say it beside the log."""
        screen.say(f"note: {harmless(text)}", stderr=True)


def _widest(run: RunDetail) -> int:
    return max((len(task_label(task.task, task.map_index)) for task in run.tasks), default=0)
