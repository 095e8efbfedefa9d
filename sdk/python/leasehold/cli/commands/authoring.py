"""``leasehold check`` and ``leasehold deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_size
from leasehold.cli.api import Api
from leasehold.cli.commands.dags import task_row
from leasehold.cli.dag_files import CheckedFile, ReadyDag, read_dag_file
from leasehold.cli.errors import FailedError
from leasehold.cli.mistake_views import show_mistake
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.sending import send_dag
from leasehold.cli.session import ask
from leasehold.cli.signing import PassphraseFileOption, SignOption, ValidForOption, signer_from
from leasehold_protocol.v1.runs import DeployedDag

LINES_AROUND = 2
"""How many lines of the file are shown above a mistake."""

DagFile = Annotated[Path, typer.Argument(help="The Python file with the DAG.", metavar="FILE")]


def check(file: DagFile, *, json: JsonOption = False) -> None:
    """Look for mistakes in a DAG file before anything is sent. Exit 1 if there are any.

    The file is imported, as a deploy would; its tasks are not run.
    """
    checked = read_dag_file(file)
    if json:
        screen.write_json(_as_json(checked))
    else:
        _show(checked, file)
    if checked.mistakes:
        raise typer.Exit(FailedError.exit_code)


def deploy(
    file: DagFile,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    sign: SignOption = None,
    passphrase_file: PassphraseFileOption = None,
    valid_for: ValidForOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Deploy the DAGs of a file: a new version each, or none where nothing changed. Runs keep the version they have."""
    checked = read_dag_file(file)
    if checked.mistakes:
        _show(checked, file, stderr=True)
        raise typer.Exit(FailedError.exit_code)
    signer = signer_from(sign, passphrase_file, valid_for)
    if dry_run:
        _show_dry_run(checked, json=json)
        return

    async def work(api: Api) -> list[DeployedDag]:
        return [await send_dag(api, dag, signer) for dag in checked.dags]

    deployed = ask(work, team=team)
    if json:
        screen.write_json(deployed)
        return
    how = "" if signer is None else f", signed by {signer.key.line}"
    for made in deployed:
        news = "is deployed already, unchanged" if made.unchanged else "is deployed"
        screen.say(f"{made.dag} version {made.version} {news}{how}. Run it: leasehold runs trigger {made.dag} --watch")


def _show(checked: CheckedFile, file: Path, *, stderr: bool = False) -> None:
    for mistake in checked.mistakes:
        show_mistake(mistake, stderr=stderr)
    for dag in checked.dags:
        for warning in dag.warnings:
            show_mistake(warning, stderr=True)
        screen.say(f"{file}: {dag.manifest.dag} is fine ({len(dag.manifest.tasks)} tasks).")


def _show_dry_run(checked: CheckedFile, *, json: bool) -> None:
    if json:
        screen.write_json([dag.manifest for dag in checked.dags])
        return
    for dag in checked.dags:
        screen.say(f"{dag.manifest.dag}: {len(dag.manifest.tasks)} tasks, {_bundle(dag)}. Nothing was sent.")
        screen.show(
            screen.make_table(
                ["task", "kind", "after", "needs", "retries"], [task_row(task) for task in dag.manifest.tasks]
            )
        )


def _bundle(dag: ReadyDag) -> str:
    if dag.bundle is None:
        return "no bundle"
    return f"a bundle of {show_size(len(dag.bundle.data))} with {', '.join(dag.bundle.files)}"


def _as_json(checked: CheckedFile) -> dict[str, object]:
    return {
        "ok": not checked.mistakes,
        "dags": [dag.manifest.dag for dag in checked.dags],
        "problems": [
            {"file": found.file, "line": found.line, "message": found.message, "cure": found.cure}
            for found in checked.mistakes
        ],
        "warnings": [
            {"file": found.file, "line": found.line, "message": found.message, "cure": found.cure}
            for dag in checked.dags
            for found in dag.warnings
        ],
    }
