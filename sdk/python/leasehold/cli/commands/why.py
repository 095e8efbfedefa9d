"""``leasehold why``: why something does not run."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api, Query
from leasehold.cli.following import task_label
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.session import ask
from leasehold_protocol.v1.why import Why, WhyRun


def why(
    run: Annotated[str, typer.Argument(help="A run's id, or a task instance's.", metavar="RUN")],
    task: Annotated[str | None, typer.Argument(help="One task of the run.", metavar="[TASK]")] = None,
    *,
    map_index: Annotated[
        int | None, typer.Option("--map-index", metavar="N", help="Of a mapped task, this instance.")
    ] = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Say why something does not run: what it waits for, since when, until when, and who can change that."""
    if task is not None:
        _one(run, task, map_index, team=team, json=json)
        return

    async def work(api: Api) -> WhyRun:
        return await api.get(api.of_team("runs", run, "why"), WhyRun)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    screen.table(
        ["task", "state", "why"],
        [(task_label(each.task, each.map_index), screen.state(each.state), each.summary) for each in found.items],
        empty=found.reason or f"Nothing of run {found.run} waits: it is {found.state}.",
    )
    if found.left_out:
        screen.say(f"{found.left_out} more wait: leasehold why {found.run} TASK", stderr=True)


def _one(run: str, task: str, map_index: int | None, *, team: str | None, json: bool) -> None:
    query: Query = {} if map_index is None else {"map_index": map_index}

    async def work(api: Api) -> Why:
        return await api.get(api.of_team("runs", run, "tasks", task, "why"), Why, query)

    found = ask(work, team=team)
    if json:
        screen.write_json(found)
        return
    now = screen.now()
    screen.say(f"{task_label(found.task, found.map_index)} is {found.state.replace('_', ' ')}:")
    screen.table(
        ["why", "since", "until"],
        [
            (
                each.message,
                show_when(each.since, now=now) if each.since else "",
                show_when(each.until, now=now) if each.until else "",
            )
            for each in found.reasons
        ],
        empty="Nothing is known.",
    )
