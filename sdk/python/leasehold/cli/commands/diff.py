"""``leasehold diff``."""

from __future__ import annotations

from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.api import Api
from leasehold.cli.changes.asking import DagChanges, changes_of
from leasehold.cli.changes.views import as_data, show_changes
from leasehold.cli.commands.checking import DagFiles, dags_or_exit
from leasehold.cli.environments.packing import with_environment
from leasehold.cli.errors import FailedError
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.session import ask


def diff(
    files: DagFiles,
    *,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 where a deploy would make a new version, for scripts.")
    ] = False,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a deploy of files would change: tasks, parameters, fields, and lines of code. Nothing is sent."""
    ready = [with_environment(dag, file) for dag, file in dags_or_exit(files)]

    async def work(api: Api) -> list[DagChanges]:
        return [await changes_of(api, dag) for dag in ready]

    found = ask(work, team=team)
    if json:
        screen.write_json([as_data(changes) for changes in found])
    else:
        for changes in found:
            show_changes(changes)
    if exit_code and any(changes.makes_version for changes in found):
        raise typer.Exit(FailedError.exit_code)
