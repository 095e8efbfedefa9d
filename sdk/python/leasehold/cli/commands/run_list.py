"""``leasehold runs list``."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import completing, screen
from leasehold.cli.amounts import show_between, show_when
from leasehold.cli.api import Api
from leasehold.cli.commands.runs import app
from leasehold.cli.examples import examples
from leasehold.cli.log_filter import time_of
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.session import ask
from leasehold_protocol.v1.runs import RunList, RunState, RunSummary

__all__ = ["app", "list_runs"]

MOST_IN_A_PAGE = 500
"""What the API gives of a list at once."""


@app.command(
    "list", epilog=examples("leasehold runs list", "leasehold runs list --dag sensor_report --state failed --since 1d")
)
def list_runs(
    *,
    dag: Annotated[
        str | None, typer.Option(metavar="DAG", help="Only runs of this DAG.", autocompletion=completing.dags)
    ] = None,
    state: Annotated[
        RunState | None, typer.Option(metavar="running|success|failed|cancelled", help="Only runs in this state.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only runs begun since: 2h (ago), or 2026-11-02T14:30.")
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="RUN", help="Go on after this run: the last of the list before.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=1000, help="How many, newest first.")] = 20,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    query: dict[str, str | int | float] = {"limit": min(limit, MOST_IN_A_PAGE)}
    given = (("dag", dag), ("state", state), ("after", after))
    query |= {name: value for name, value in given if value is not None}
    oldest = None if since is None else time_of(since, now=screen.now())

    async def work(api: Api) -> list[RunSummary]:
        found: list[RunSummary] = []
        async for page in api.pages(api.of_team("runs"), RunList, query):
            found += [run for run in page.items if oldest is None or run.created_at >= oldest]
            if len(found) >= limit or (oldest is not None and page.items and page.items[-1].created_at < oldest):
                break
        return found[:limit]

    runs = ask(work, team=team)
    if json:
        screen.write_json(runs)
        return
    now = screen.now()
    screen.table(
        ["run", "dag", "version", "state", "begun", "took", "by"],
        [
            (
                run.run,
                run.dag,
                str(run.version),
                screen.state(run.state),
                show_when(run.created_at, now=now),
                show_between(run.started_at, run.ended_at, now=now),
                run.created_by,
            )
            for run in runs
        ],
        empty="There is no such run. Start one: leasehold runs trigger DAG",
    )
    if len(runs) == limit:
        screen.say(f"There may be more: leasehold runs list --after {runs[-1].run}", stderr=True)
