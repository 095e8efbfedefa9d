"""``leasehold runs retry|mark|cancel|set-priority``: what people do to runs after they began."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_count
from leasehold.cli.api import Api
from leasehold.cli.commands.runs import RunId
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.following import task_label
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.session import ask
from leasehold_protocol.v1.message import Message
from leasehold_protocol.v1.operations import (
    CancelTaskRequest,
    MarkedState,
    MarkRequest,
    PriorityRequest,
    RetryRequest,
    RunChanged,
)
from leasehold_protocol.v1.runs import CancelRequest, RunDetail, RunState, TaskState

TaskOption = Annotated[str | None, typer.Option("--task", "-t", metavar="TASK", help="Only this task.")]
MapIndexOption = Annotated[
    int | None, typer.Option("--map-index", metavar="N", help="Of a mapped task, only this instance.")
]
ReasonOption = Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it is kept in the audit trail.")]


def add_to(runs: typer.Typer) -> None:
    """Add the commands to ``leasehold runs``."""
    runs.command(
        "retry",
        epilog=examples(
            "leasehold runs retry 01JD3",
            "leasehold runs retry 01JD3 --task read_sensors --only",
            "leasehold runs retry 01JD3 --latest",
        ),
    )(retry)
    runs.command(
        "mark",
        epilog=examples(
            "leasehold runs mark 01JD3 read_sensors success --reason 'loaded by hand'",
            "leasehold runs mark 01JD3 send skipped",
        ),
    )(mark)
    runs.command(
        "cancel",
        epilog=examples("leasehold runs cancel 01JD3 --reason 'wrong day'", "leasehold runs cancel 01JD3 --task send"),
    )(cancel)
    runs.command(
        "set-priority",
        epilog=examples("leasehold runs set-priority 01JD3 50", "leasehold runs set-priority 01JD3 50 --task send"),
    )(set_priority)


def retry(
    run: RunId,
    *,
    task: TaskOption = None,
    map_index: MapIndexOption = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="What failed or was cancelled, and what depends on it: so without --task.")
    ] = False,
    downstream: Annotated[
        bool,
        typer.Option("--downstream/--only", help="Also what depends on it, as far as it ended; or nothing but this."),
    ] = True,
    latest: Annotated[
        bool, typer.Option("--latest", help="Go on with the DAG's newest version, not the one the run began with.")
    ] = False,
    reason: ReasonOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Do again what failed, or one task. Earlier attempts stay in the history; what they still say does not count."""
    if task is not None and failed:
        raise WrongInputError("--failed and --task exclude each other.", "Leave one of them out.")
    if task is None and (map_index is not None or not downstream):
        raise WrongInputError("--map-index and --only are about one task.", f"leasehold runs retry {run} --task TASK")
    asked = RetryRequest(task=task, map_index=map_index, downstream=downstream, latest=latest, reason=reason)
    done = _post(asked, "runs", run, "retry", team=team)
    _tell(
        done, f"Run {done.run} goes on by version {done.version}. Follow it: leasehold runs watch {done.run}", json=json
    )


def mark(
    run: RunId,
    task: Annotated[str, typer.Argument(help="The task.", metavar="TASK")],
    state: Annotated[MarkedState, typer.Argument(help="As what it shall count.", metavar="success|failed|skipped")],
    *,
    map_index: MapIndexOption = None,
    reason: ReasonOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Let a task count as ended by your word. What depends on it follows; what already ran is not run again.

    A task that is running is stopped.
    """
    asked = MarkRequest(state=state, map_index=map_index, reason=reason)
    done = _post(asked, "runs", run, "tasks", task, "mark", team=team)
    _tell(done, f"Run {done.run} is {done.state}.", json=json)


def cancel(
    run: RunId,
    *,
    task: TaskOption = None,
    map_index: MapIndexOption = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why; it is shown with the run.")] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Stop a run, or one task of it: what waits is cancelled, what runs is ended with all its processes."""
    if task is not None:
        of_task = CancelTaskRequest(map_index=map_index, reason=reason)
        done = _post(of_task, "runs", run, "tasks", task, "cancel", team=team)
        _tell(done, f"What runs of it is being stopped. See it end: leasehold runs watch {done.run}", json=json)
        return
    if map_index is not None:
        raise WrongInputError("--map-index is about one task.", f"leasehold runs cancel {run} --task TASK")

    async def work(api: Api) -> RunDetail:
        return await api.send("POST", api.of_team("runs", run, "cancel"), CancelRequest(reason=reason), RunDetail)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
    elif found.state is RunState.CANCELLED:
        screen.say(f"Run {found.run} is cancelled.")
    elif found.state.is_final:
        screen.say(f"Run {found.run} had ended before: {found.state}.")
    else:
        screen.say(f"Run {found.run} is being cancelled. See it end: leasehold runs watch {found.run}")


def set_priority(
    run: RunId,
    priority: Annotated[int, typer.Argument(min=-100, max=100, help="Higher ones are leased first.", metavar="NUMBER")],
    *,
    task: TaskOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Reorder in the queue what of a run has not begun. A negative number comes after --: -- -5."""
    done = _post(PriorityRequest(priority=priority, task=task), "runs", run, "priority", team=team)
    if json:
        screen.write_json(done)
    else:
        changed = show_count(len(done.changed), "task instance")
        screen.say(f"{changed} of run {done.run}: priority {priority} from now on.")


def _post(asked: Message, *path: str, team: str | None) -> RunChanged:
    async def work(api: Api) -> RunChanged:
        return await api.send("POST", api.of_team(*path), asked, RunChanged)

    return ask(work, team=team)


def _tell(done: RunChanged, what_next: str, *, json: bool) -> None:
    if json:
        screen.write_json(done)
        return
    screen.table(
        ["task", "was", "is now"],
        [
            (task_label(one.task, one.map_index), screen.state(one.was), screen.state(_shown(one.state)))
            for one in done.changed
        ],
        empty="Nothing is different yet.",
    )
    screen.say(what_next)


def _shown(state: TaskState) -> str:
    return "waits" if state is TaskState.NONE else state.value
