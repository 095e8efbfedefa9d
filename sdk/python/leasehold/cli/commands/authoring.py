"""``leasehold lock`` and ``leasehold deploy``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from leasehold.cli import screen
from leasehold.cli.amounts import show_count, show_size
from leasehold.cli.api import Api
from leasehold.cli.changes.asking import DagChanges, all_new, changes_of
from leasehold.cli.changes.views import as_data, show_changes
from leasehold.cli.commands.checking import DagFile, DagFiles, dags_or_exit
from leasehold.cli.commands.dags import task_row
from leasehold.cli.dag_files import ReadyDag
from leasehold.cli.environments.lock_file import lock_path
from leasehold.cli.environments.locking import lock_anew
from leasehold.cli.environments.packing import with_environment
from leasehold.cli.errors import FailedError, NotSignedInError
from leasehold.cli.options import JsonOption, TeamOption
from leasehold.cli.sending import send_dag
from leasehold.cli.session import ask, ask_as, signed_in
from leasehold.cli.signing import PassphraseFileOption, SignOption, ValidForOption, signer_from
from leasehold.runtime.rules.locks import locked_packages
from leasehold_protocol.v1.runs import DeployedDag


def lock(
    file: DagFile,
    *,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Take the newest versions that fit.")] = False,
    json: JsonOption = False,
) -> None:
    """Lock what a DAG file depends on, with versions and hashes, into FILE.lock: commit it beside the file.

    Versions that are locked already stay, as long as they fit.
    """
    script = dags_or_exit([file])[0][0].script
    if not script.dependencies:
        raise FailedError(f"{file} has no dependencies to lock.", "Name them in a # /// script block (PEP 723).")
    made, is_new = lock_anew(file, script, upgrade=upgrade)
    packages = locked_packages(made.lock)
    if json:
        screen.write_json(
            {
                "file": str(lock_path(file)),
                "changed": is_new,
                "packages": [{"name": each.name, "version": each.version} for each in packages],
            }
        )
        return
    news = "is written" if is_new else "is up to date"
    screen.say(f"{lock_path(file)} {news}: {show_count(len(packages), 'package')}. Commit it beside {file.name}.")


def deploy(
    files: DagFiles,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and send nothing.")] = False,
    locked: Annotated[
        bool, typer.Option("--locked", help="Refuse unless FILE.lock fits the file's dependencies.")
    ] = False,
    wheels: Annotated[
        bool | None,
        typer.Option(
            "--wheels/--no-wheels",
            help="Send the dependencies along, for sites without a package index (default: as the file says).",
            show_default=False,
        ),
    ] = None,
    sign: SignOption = None,
    passphrase_file: PassphraseFileOption = None,
    valid_for: ValidForOption = None,
    team: TeamOption = None,
    json: JsonOption = False,
) -> None:
    """Deploy the DAGs of files: a new version each, or none where nothing changed. Runs keep the version they have.

    Nothing is sent before all files are read and found without mistakes.
    """
    ready = [with_environment(dag, file, committed_only=locked, wheels=wheels) for dag, file in dags_or_exit(files)]
    signer = signer_from(sign, passphrase_file, valid_for)
    if dry_run:
        _show_dry_run(ready, team, json=json)
        return

    async def work(api: Api) -> list[DeployedDag]:
        return [await send_dag(api, dag, signer) for dag in ready]

    deployed = ask(work, team=team)
    if json:
        screen.write_json(deployed)
        return
    how = "" if signer is None else f", signed by {signer.key.line}"
    for made in deployed:
        news = "is deployed already, unchanged" if made.unchanged else "is deployed"
        screen.say(f"{made.dag} version {made.version} {news}{how}. Run it: leasehold runs trigger {made.dag} --watch")


def _show_dry_run(ready: Sequence[ReadyDag], team: str | None, *, json: bool) -> None:
    try:
        session = signed_in(team)
    except NotSignedInError:
        screen.say("You are not signed in: what is deployed is not known, so all is shown as new.", stderr=True)
        found = [all_new(dag) for dag in ready]
    else:

        async def work(api: Api) -> list[DagChanges]:
            return [await changes_of(api, dag) for dag in ready]

        found = ask_as(session, work)
    if json:
        screen.write_json([as_data(changes) | {"manifest": changes.ready.manifest} for changes in found])
        return
    for changes in found:
        manifest = changes.ready.manifest
        show_changes(changes)
        screen.show(
            screen.make_table(
                ["task", "kind", "after", "needs", "retries"], [task_row(task) for task in manifest.tasks]
            )
        )
        screen.say(
            f"{manifest.dag}: {show_count(len(manifest.tasks), 'task')}, {_bundle(changes.ready)}. Nothing was sent."
        )


def _bundle(dag: ReadyDag) -> str:
    if dag.bundle is None:
        return "no bundle"
    wheels = f", and {show_count(len(dag.wheels), 'wheel')}" if dag.wheels else ""
    return f"a bundle of {show_size(len(dag.bundle.data))} with {', '.join(dag.bundle.files)}{wheels}"
