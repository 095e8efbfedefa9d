"""``leasehold runs delete|prune``: runs that are needed no more."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_when
from leasehold.cli.api import Api
from leasehold.cli.commands.runs import RunId
from leasehold.cli.errors import WrongInputError
from leasehold.cli.examples import examples
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.session import ask
from leasehold.durations import seconds
from leasehold_protocol.v1.retention import PruneAnswer, PruneRequest, Thinned

_WHAT = {Thinned.LOGS: "logs", Thinned.XCOMS: "XComs", Thinned.METRICS: "metrics"}

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed where there is nobody to ask.")]


def add_to(runs: typer.Typer) -> None:
    """Add the commands to ``leasehold runs``."""
    runs.command("delete", epilog=examples("leasehold runs delete 01JD3 --yes"))(delete)
    runs.command(
        "prune",
        epilog=examples(
            "leasehold runs prune --dry-run", "leasehold runs prune --older-than 90d --dag sensor_report --yes"
        ),
    )(prune)


def delete(run: RunId, *, yes: YesOption = False, team: TeamOption = None, json: JsonOption = False) -> None:
    """Delete a run that ended: its logs, results, metrics, files and kept state. There is no way back."""
    confirm(f"Delete run {run} with all it left?", yes=yes)

    async def work(api: Api) -> None:
        await api.delete(api.of_team("runs", run))

    ask(work, team=team)
    if json:
        screen.write_json({"run": run, "deleted": True})
    else:
        screen.say(f"Run {run} is deleted.")


def prune(
    *,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="How long ago they ended, like 90d; else the retention in force.")
    ] = None,
    dag: Annotated[str | None, typer.Option(metavar="DAG", help="Only runs of this DAG.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    yes: YesOption = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Delete runs that ended long ago. The newest run of every DAG stays."""
    days = None if older_than is None else _days(older_than)
    if not dry_run:
        confirm("Delete these runs with all they left? --dry-run shows them.", yes=yes)
    asked = PruneRequest(older_than_days=days, dag=dag, dry_run=dry_run)

    async def work(api: Api) -> PruneAnswer:
        return await api.send("POST", api.of_team("prune"), asked, PruneAnswer)

    done = ask(work, team=team)
    if json:
        screen.write_json(done)
        return
    now = screen.now()
    screen.table(
        ["dag", "runs", "kept for", "oldest ended"],
        [(each.dag, str(each.runs), f"{each.days:g} d", show_when(each.oldest, now=now)) for each in done.items],
        empty="No run is that old.",
    )
    if done.items:
        screen.say("They would be deleted." if dry_run else "They are deleted.")
    if done.thinned:
        screen.say("Of runs that stay, the settings of the server delete next:")
        screen.table(
            ["dag", "what", "runs", "kept for", "oldest ended"],
            [
                (each.dag, _WHAT[each.what], str(each.runs), f"{each.days:g} d", show_when(each.oldest, now=now))
                for each in done.thinned
            ],
            empty="",
        )
    if done.more:
        screen.say("There are more: ask again.", stderr=True)


def confirm(question: str, *, yes: bool) -> None:
    """Let a person say yes.

    Raises:
        WrongInputError: where nobody can be asked and ``--yes`` is missing.
        typer.Abort: if they say no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongInputError("Nobody is there to be asked whether this is meant.", "Add --yes.")
    typer.confirm(question, abort=True, err=True)


def _days(text: str) -> float:
    try:
        return seconds(text) / 86400
    except ValueError as problem:
        raise WrongInputError(f"--older-than {text}: {problem}") from problem
